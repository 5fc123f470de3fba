"""Rows about whole programs: cold start, reading and loading, preparing and training from the command line."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import HERE, Contest, Unavailable, take_turns
from table import Row

from kinegraph.cli import VERBS
from kinegraph.data.dataset import open_dataset

CONFIG = HERE.parent / "configs" / "stgcn_8xb16-u100-80e_ntu60-keypoint-3d.yaml"
SCRIPTS = {  # a script, what its figures are called here, their unit, its options for a quick run
    "read_ntu.py": ("raw NTU files to arrays, one core", "MB/s", ("--rounds", "2")),
    "load_clips.py": ("dataset folder to batches, one core", "clips/s", ("--clips", "100", "--rounds", "2")),
}
COLUMN = {"32-true": "Kinegraph", "bf16-mixed": "Kinegraph bf16"}  # of a precision of `kinegraph train`
Chosen = Callable[[str], bool]


def kinegraph(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "kinegraph.cli", *map(str, arguments)]


def start_rows(contest: Contest, chosen: Chosen, rounds: int) -> Iterator[Row]:
    """From a shell's request to the program's end, its files being in memory."""
    verb = "predict" if "predict" in VERBS else "test"
    programs = {
        "kinegraph --help": kinegraph("--help"),
        f"kinegraph {verb} --help": kinegraph(verb, "--help"),
        "python -c 'import numpy', to compare": [sys.executable, "-c", "import numpy"],
        "python -c 'import torch', to compare": [sys.executable, "-c", "import torch"],
    }
    programs = {
        f"cold start of {name}": command for name, command in programs.items() if chosen(f"cold start of {name}")
    }
    if programs:
        contest.say("cold starts")
        found = take_turns({name: lambda c=command: 1e3 * seconds(c) for name, command in programs.items()}, rounds)
        for name, times in found.items():
            yield Row(name, "ms", {"Kinegraph" if "kinegraph" in name else "plain path": times}, compared=False)


def seconds(command: list, limit: float | None = None) -> float:
    """How long a command takes. Raises Unavailable with its last words when it fails, or after `limit` seconds."""
    start = time.perf_counter()
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{' '.join(map(str, command[-3:]))}: not done after {limit:.0f} s") from None
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, command[-3:]))}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return time.perf_counter() - start


def script_rows(contest: Contest, chosen: Chosen, quick: bool) -> Iterator[Row]:
    """The speeds that the scripts beside this one print, "NAME  NUMBER UNIT": the plain way first, then ours."""
    for script, (work, unit, quickly) in SCRIPTS.items():
        if not chosen(work):
            continue
        contest.say(f"{work}: bench/{script}")
        done = subprocess.run([sys.executable, HERE / script, *quickly * quick], capture_output=True, text=True)
        lines = re.findall(rf"^(.+?) +([\d,.]+) {unit}", done.stdout, re.MULTILINE)
        if done.returncode or len(lines) < 2:
            contest.remark(f"bench/{script} tells no speeds: {' '.join(done.stderr.splitlines()[-1:])}")
            continue
        (_, plain), *ours = [(name, float(figure.replace(",", ""))) for name, figure in lines]
        for name, speed in ours:
            cells = {"plain path": [plain], "Kinegraph": [speed]}
            yield Row(name.replace("Kinegraph", work), unit, cells, more_is_better=True)


def whole_rows(contest: Contest, folder: Path, chosen: Chosen, quick: bool, gpu: bool) -> Iterator[Row]:
    """`kinegraph prepare` and `kinegraph train` on synthetic recordings, as a user runs them."""
    preparing = "kinegraph prepare ntu60 --workers 1, start and all"
    clips, workers = (128, 8) if gpu else (4 if quick else 16, 1)
    training = f"kinegraph train, N={clips} T=100 V=25, {workers} loading, {'GPU' if gpu else 'CPU'}"
    trainings = {f"{training}, {precision}": precision for precision in COLUMN if chosen(f"{training}, {precision}")}
    if not chosen(preparing) and not trainings:
        return
    raw, dataset = folder / "raw", folder / "dataset"
    contest.say("synthetic recordings")
    seconds(kinegraph("synthesize", raw, "--clips", 60 if quick else 300))
    size = sum(file.stat().st_size for file in raw.rglob("*.skeleton")) / 1e6
    taken = seconds(kinegraph("prepare", "ntu60", raw, dataset, "--workers", 1))
    if chosen(preparing):
        yield Row(preparing, "MB/s", {"Kinegraph": [size / taken]}, more_is_better=True)
    for work, precision in trainings.items():
        contest.say(work)
        every = 50 if gpu else 2 if quick else 3  # steps from one figure to the next
        figures = train(dataset, folder / precision, clips, workers, precision, every)
        speeds, waits = ([figure[i] for figure in figures] for i in (0, 1))
        yield Row(work, "clips/s", {COLUMN[precision]: speeds}, more_is_better=True)
        yield Row(f"{work}, waiting for data", "%", {COLUMN[precision]: waits})


def train(
    dataset: Path,
    run: Path,
    clips: int,
    workers: int,
    precision: str,
    every: int,
    limit: float | None = None,
    **options: object,
) -> list[tuple[float, float]]:
    """Clips a second and percent of the time spent waiting for data, as the lines of the run's log tell them."""
    epoch = len(open_dataset(dataset).indices("xsub", "train"))
    settings = {
        "dataset": dataset, "work-dir": run, "precision": precision, "batch-size": clips, "workers": workers,
        "epochs": 1, "repeat": -(-clips * every * 5 // epoch), "validate": "false", "log-every": every,
    } | options  # fmt: skip
    seconds(kinegraph("train", CONFIG, *(f"--{name}={value}" for name, value in settings.items())), limit)
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [record for record in records if record["mode"] == "train"][1:]  # the first ones warm up
    return [(clips / step["time"], 1e2 * step["data_time"] / step["time"]) for step in steps]
