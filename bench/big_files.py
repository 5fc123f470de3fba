"""How much memory `kinegraph prepare` and `inspect` take for one recording that is larger than memory should be.

    python bench/big_files.py [--megabytes 2000] [--kinds csv h5 bvh c3d] [--folder /tmp]

For each kind a file of that size is written, one after another, and removed again; the dataset takes as much space. The
peak is the resident memory of the command's process (ru_maxrss), pages of temporary files that it shows included.
"""

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kinegraph.skeleton.layout import load_layout

JOINTS = 33
COMMAND = "import sys; from kinegraph.cli import main; sys.exit(main(sys.argv[1:]))"


def poses() -> Iterator[np.ndarray]:
    """Blocks of 500 frames of `JOINTS` joints in 3D, in metres, of a person who sways."""
    rng = np.random.default_rng(0)
    body = rng.normal(0, 0.35, (JOINTS, 3)) + (0, 1, 3)
    sway = np.sin(np.arange(500) / 20)[:, None, None] * 0.1
    block = (body + sway + rng.normal(0, 0.003, (500, JOINTS, 3))).astype(np.float32)
    while True:
        yield block


def write_csv(file: Path, size: int) -> None:
    with file.open("w") as out:
        joints = load_layout("blazepose33").joints
        out.write(",".join(f"{joint}_{axis}" for joint in joints for axis in "xyz") + "\n")
        block = "".join(",".join(f"{it:.6f}" for it in pose.ravel()) + "\n" for pose in next(poses()))
        for _ in range(max(1, size // len(block))):
            out.write(block)


def write_h5(file: Path, size: int) -> None:
    """A table as pandas writes it for DeepLabCut: two animals of 16 body parts, x, y and likelihood, doubles."""
    import pickle

    import h5py

    columns = [("net", who, f"part{i}", c) for who in ("a", "b") for i in range(16) for c in ("x", "y", "likelihood")]
    rows = size // (8 * (len(columns) + 1))
    dtype = np.dtype([("index", "<i8"), ("values_block_0", "<f8", (len(columns),))])
    with h5py.File(file, "w") as content:
        group = content.create_group("df_with_missing")
        group.attrs["pandas_type"] = "frame_table"
        table = group.create_dataset("table", (rows,), dtype, chunks=(2000,))
        table.attrs["values_block_0_kind"] = np.void(pickle.dumps(columns, 0))
        names = group.create_group("_i_table")
        names.attrs["names"] = "scorer individuals bodyparts coords"
        for at, block in zip(range(0, rows, 2000), poses(), strict=False):
            values = np.empty(min(2000, rows - at), dtype)
            values["index"] = np.arange(at, at + len(values))
            wide = block.reshape(len(block), -1)[:, : len(columns)] * 100 + 300
            values["values_block_0"] = np.resize(wide, (len(values), len(columns)))
            values["values_block_0"][:, 2::3] = 0.9
            table[at : at + len(values)] = values


def write_bvh(file: Path, size: int) -> None:
    """A chain of 20 joints with three rotations each."""
    with file.open("w") as out:
        out.write("HIERARCHY\nROOT j0\n{\nOFFSET 0 100 0\nCHANNELS 6 Xposition Yposition Zposition ")
        out.write("Zrotation Xrotation Yrotation\n")
        for i in range(1, 20):
            out.write(f"JOINT j{i}\n{{\nOFFSET 3 8 1\nCHANNELS 3 Zrotation Xrotation Yrotation\n")
        out.write("End Site\n{\nOFFSET 0 1 0\n}\n" + "}\n" * 20 + "MOTION\n")
        turns = np.random.default_rng(0).normal(0, 30, (500, 63))
        block = "".join(" ".join(f"{it:.6f}" for it in row) + "\n" for row in turns)
        blocks = max(1, size // len(block))
        out.write(f"Frames: {500 * blocks}\nFrame Time: 0.01\n")
        for _ in range(blocks):
            out.write(block)


def write_c3d(file: Path, size: int) -> None:
    """Markers of joints by number, as floats of Intel's kind, in metres; no analog values."""
    frames = size // (16 * JOINTS)
    labels = b"".join(f"M{i:03d}".encode() for i in range(JOINTS))

    def entry(group: int, name: bytes, kind: int, shape: tuple[int, ...], data: bytes) -> bytes:
        rest = struct.pack("bb", kind, len(shape)) + bytes(shape) + data + b"\0"
        return struct.pack("bb", len(name), group) + name + struct.pack("<h", len(rest) + 2) + rest

    found = struct.pack("bb", 5, -1) + b"POINT" + struct.pack("<h", 3) + b"\0"
    found += entry(1, b"LABELS", -1, (4, JOINTS), labels) + entry(1, b"UNITS", -1, (1,), b"m")
    last = min(frames, 0xFFFF)
    for name, value in (b"USED", JOINTS), (b"FRAMES", last), (b"DATA_START", 4):
        found += entry(1, name, 2, (), struct.pack("<H", value))
    for name, value in (b"SCALE", -1.0), (b"RATE", 100.0), (b"LONG_FRAMES", frames):
        found += entry(1, name, 4, (), struct.pack("<f", value))
    found += b"\0\0"
    head = struct.pack("<BBHHHHHfHHf", 2, 0x50, JOINTS, 0, 1, last, 0, -1.0, 4, 0, 100.0)
    with file.open("wb") as out:
        out.write(head.ljust(512, b"\0") + (b"\1\x50\2\x54" + found).ljust(1024, b"\0"))
        for at, block in zip(range(0, frames, 500), poses(), strict=False):
            four = np.concatenate([block, np.zeros((*block.shape[:2], 1), np.float32)], 2)
            out.write(four[: frames - at].astype("<f4").tobytes())


KINDS: dict[str, Callable[[Path, int], None]] = {
    "csv": write_csv, "h5": write_h5, "bvh": write_bvh, "c3d": write_c3d,
}  # fmt: skip


def peak(*words: str) -> tuple[float, float, str]:
    """Megabytes and seconds of a command, and the last line that it printed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen([sys.executable, "-c", COMMAND, *words], stdout=said, stderr=said)
        _, _, usage = os.wait4(child.pid, 0)
        said.seek(0)
        last = [*filter(str.strip, said), ""][0]
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return usage.ru_maxrss / unit, time.perf_counter() - start, last.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--folder", type=Path, help="where the files are written, with room for three times their size")
    options = parser.parse_args()
    for kind in options.kinds:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            if shutil.disk_usage(folder).free < 4e6 * options.megabytes:
                sys.exit(f"{folder} has room for less than {4 * options.megabytes:,} MB; choose another --folder")
            file = Path(folder) / f"recording.{kind}"
            KINDS[kind](file, options.megabytes * 1_000_000)
            for words in (("prepare", str(file), f"{folder}/data"), ("inspect", str(file))):
                memory, seconds, last = peak(*words)
                size = file.stat().st_size / 1e6
                print(
                    f"{kind:4} {words[0]:8} {size:7,.0f} MB   peak {memory:5.0f} MB {seconds:7.0f} s   {last}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
