"""How fast raw NTU RGB+D files are read, beside a plain line-by-line reader, and how much memory a folder takes.

    python bench/read_ntu.py [FOLDER] [--files 200] [--rounds 7] [--workers 1]

Without a folder, `--files` made-up files of a few hundred kB are written to a temporary one. Speeds are of one process,
from file to the two people's array (energy policy, which all readers compute, and their results are compared), in MB of
text per second of processor time. The readers take turns, so that another process's load falls on all; medians and
ratios are printed. The reader that numba compiles is there if numba is (pip install kinegraph[fast]).
"""

import argparse
import itertools
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kinegraph.data.formats import ntu, ntu_scan
from kinegraph.data.formats.ntu_text import parse_bodies
from kinegraph.data.read import recordings

BODY = ("id", "clippedEdges", "leftConfidence", "leftState", "rightConfidence", "rightState", "isRestricted")
BODY += ("leanX", "leanY", "state")
JOINT = ("x", "y", "z", "depthX", "depthY", "colorX", "colorY")
JOINT += ("orientationW", "orientationX", "orientationY", "orientationZ", "state")


def plain_reader(path: Path) -> np.ndarray:
    """The way the published converters read: every line split, every number to a float in a dict, then loops."""
    frames = []
    with open(path) as file:
        for _ in range(int(file.readline())):
            bodies = []
            for _ in range(int(file.readline())):
                body = dict(zip(BODY, map(float, file.readline().split()), strict=True))
                body["joints"] = []
                for _ in range(int(file.readline())):
                    body["joints"].append(dict(zip(JOINT, map(float, file.readline().split()), strict=True)))
                bodies.append(body)
            frames.append(bodies)
    people = np.zeros((4, len(frames), 25, 3))
    for t, bodies in enumerate(frames):
        for m, body in enumerate(bodies[:4]):
            for v, joint in enumerate(body["joints"]):
                people[m, t, v] = joint["x"], joint["y"], joint["z"]
    there = [person[person.any((1, 2))] for person in people]
    spread = [person.std((0, 1)).sum() if len(person) else 0 for person in there]
    widest = [m for m in np.argsort(spread)[::-1][:2] if len(there[m])]
    return people[widest].astype(np.float32)


def numpy_reader(path: Path) -> np.ndarray:
    return ntu.energetic_bodies(parse_bodies(path.read_bytes()))


def numba_reader(path: Path) -> np.ndarray:
    return ntu.energetic_bodies(ntu_scan.parse_bodies(path.read_bytes()))


READERS = {"line by line": plain_reader, "Kinegraph, numpy": numpy_reader}
if ntu_scan.njit is not None:
    READERS["Kinegraph, numba"] = numba_reader


def write_made_up(folder: Path, files: int) -> None:
    """Files of one to two people and 60 to 110 frames; the numbers mean nothing, their form is that of real files."""
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(min(files, 20)):
        frames, people = rng.integers(60, 111), rng.integers(1, 3)
        lines = [f"{frames}"]
        for _ in range(frames):
            lines.append(f"{people}")
            for person in range(people):
                lines += [f"7205759403793{person:04d} 0 1 1 1 1 0 0.1005686 -0.7675878 2", "25"]
                for value in rng.normal((0, 0, 3, 255, 205, 950, 540, 0, 0, 0, 0), 1, (25, 11)):
                    lines.append(" ".join(f"{number:.7g}" for number in value) + " 2")
        texts.append(("\r\n".join(lines) + "\r\n").encode())
    for i in range(files):
        subject, action = 1 + i // 60 % 40, 1 + i % 60
        (folder / f"S001C{1 + i // 2400:03d}P{subject:03d}R001A{action:03d}.skeleton").write_bytes(
            texts[i % len(texts)]
        )


def compare(files: list[Path], rounds: int) -> None:
    for file, reader in itertools.product(files[:5], READERS.values()):
        np.testing.assert_array_equal(plain_reader(file), reader(file))
    size = sum(file.stat().st_size for file in files) / 1e6
    speed = {name: [] for name in READERS}
    for _, (name, reader) in itertools.product(range(rounds), READERS.items()):
        start = time.process_time()
        for file in files:
            reader(file)
        speed[name].append(size / (time.process_time() - start))
    print(f"{len(files)} files, {size:.1f} MB, median of {rounds} rounds, one core")
    plain = statistics.median(speed["line by line"])
    for name, speeds in speed.items():
        print(f"{name:18}{statistics.median(speeds):7.1f} MB/s   {statistics.median(speeds) / plain:.1f} x")


def memory(folder: Path, workers: int) -> None:
    found = recordings(folder, "ntu", classes=120, workers=workers, on_fault="skip")
    start = time.perf_counter()
    clips = sum(1 for _ in found.clips)
    seconds = time.perf_counter() - start
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    own, child = (resource.getrusage(who).ru_maxrss / unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    broken = sum(line.startswith("broken") for line in found.skipped())
    print(f"{clips} clips read in {seconds:.1f} s by {workers} process(es), {broken} broken files")
    print(f"peak memory   {own:7.0f} MB" + (f", {child:.0f} MB in the largest worker" if workers > 1 else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--files", type=int, default=200, help="how many made-up files to write")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=1, help="processes for the memory figure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if options.folder is None:
            write_made_up(folder, options.files)
        memory(folder, options.workers)  # first, before anything else has used memory
        compare(sorted(folder.rglob("*.skeleton"))[:40], options.rounds)


if __name__ == "__main__":
    main()
