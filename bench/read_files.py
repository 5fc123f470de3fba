"""How fast large recordings are read, beside the packages that people read them with.

    python bench/read_files.py [--peers PYTHON] [--megabytes 20] [--rounds 3] [--kinds csv h5 bvh c3d]

Speeds are of one process, in MB of the file per second of its processor time, from the file to an array: for Kinegraph
`kinegraph.read`, which also finds out what the file is. The readers take turns, each time in a process of its own
that has read the file once before; the best of the rounds is printed. --peers: a Python that has pandas, tables, c3d
and ezc3d; a reader whose package is missing is left out, and a line says so.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from big_files import KINDS

OURS = "import kinegraph as kg", "frames = sum(clip.frames for clip in kg.read(file))"
PANDAS = "import pandas, tables", "frames = len(pandas.read_hdf(file))"
READERS = {
    "csv": {"Kinegraph": OURS, "pandas.read_csv": ("import pandas", "frames = len(pandas.read_csv(file))")},
    "h5": {"Kinegraph": OURS, "pandas.read_hdf": PANDAS},
    "bvh": {
        "Kinegraph, with forward kinematics": OURS,
        "numbers line by line, no kinematics": (
            "import numpy",
            "lines = open(file).read().split('Frame Time: 0.01\\n')[1].splitlines()\n"
            "frames = len(numpy.array([[float(cell) for cell in line.split()] for line in lines]))",
        ),
    },
    "c3d": {
        "Kinegraph": OURS,
        "c3d": (
            "import c3d, numpy",
            "places = [points[:, :3] for _, points, _ in c3d.Reader(open(file, 'rb')).read_frames()]\n"
            "frames = len(numpy.array(places))",
        ),
        "ezc3d": ("import ezc3d", "frames = ezc3d.c3d(file)['data']['points'].shape[2]"),
    },
}
TIMED = """
import sys, time, warnings
warnings.simplefilter("ignore")
file = sys.argv[1]
{imports}
{work}
start = time.process_time()
{work}
print("took", time.process_time() - start, frames)
"""
AS_PANDAS = """
import sys, pandas, tables
with tables.open_file(sys.argv[1]) as content:
    rows = content.root.df_with_missing.table.read()
names = [("net", who, f"part{i}", axis) for who in "ab" for i in range(16) for axis in ("x", "y", "likelihood")]
levels = ["scorer", "individuals", "bodyparts", "coords"]
columns = pandas.MultiIndex.from_tuples(names, names=levels)
frame = pandas.DataFrame(rows["values_block_0"], index=rows["index"], columns=columns)
frame.to_hdf(sys.argv[2], key="df_with_missing", format="table", mode="w")
"""


def seconds(python: str, file: Path, imports: str, work: str) -> tuple[float, int] | str:
    """Processor time and frames of one reading; the last line of the error where that fails."""
    text = TIMED.format(imports=imports, work=work)
    done = subprocess.run([python, "-c", text, str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    _, time, frames = done.stdout.split()[-3:]
    return float(time), int(frames)


def measure(kind: str, file: Path, peers: str, rounds: int) -> None:
    """Print a line a reader. All have to find the same number of frames."""
    best: dict[str, float] = {}
    found: set[int] = set()
    readers = dict(READERS[kind])
    for _ in range(rounds):
        for name, (imports, work) in list(readers.items()):
            answer = seconds(sys.executable if work == OURS[1] else peers, file, imports, work)
            if isinstance(answer, str):
                print(f"{kind:4} {name}: {answer}")
                del readers[name]
                continue
            found.add(answer[1])
            best[name] = min(answer[0], best.get(name, answer[0]))
    size = file.stat().st_size / 1e6
    if len(found) != 1:
        sys.exit(f"the readers of {kind} find different numbers of frames: {sorted(found)}")
    for name, time in best.items():
        print(f"{kind:4} {size:4.0f} MB  {found.copy().pop():9,} frames  {name:36}{size / time:7.0f} MB/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=sys.executable, help="a Python that has the other packages")
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kinds:
            file = Path(folder) / f"recording.{kind}"
            KINDS[kind](file, options.megabytes * 1_000_000)
            if kind == "h5":  # as pandas itself writes it
                again = file.with_name("pandas.h5")
                subprocess.run([options.peers, "-c", AS_PANDAS, str(file), str(again)], check=True)
                file = again
            measure(kind, file, options.peers, options.rounds)


if __name__ == "__main__":
    main()
