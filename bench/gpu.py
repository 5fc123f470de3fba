"""The tests of a GPU and its table: training and inference beside a plain eager network, the share of the GPU's peak,
memory, the input pipeline, the newer networks, and exported ones.

`bash bench/gpu.sh` calls it. Each figure has a deadline, and rows come in the order of their weight. What there was no
time for, and what failed, is named below the table. The exit code is that of the tests.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from exported_gpu import exported_rows
from jobs import Job
from load_clips import made_up
from machine import description
from measure import Contest, Unavailable
from networks import LAYOUTS, NEWER, job, write_weights
from programs import train
from roofline import peak_of, shares
from table import Row, as_markdown

from kinegraph.data.dataset import write_dataset
from kinegraph.skeleton.layout import load_layout

ROOT = Path(__file__).parent.parent
ROUNDS = 5
LIMITS = {"eager": 40, "compiled": 120, "compiled, CUDA graphs": 120, "CUDA graph": 40}  # seconds of one figure
COLUMNS = {
    "plain path": ("plain", "fp32"),
    "plain path bf16": ("plain", "bf16"),
    "Kinegraph": ("ours", "fp32"),
    "Kinegraph bf16": ("ours", "bf16"),
}
TRAININGS = {  # options of `kinegraph train`, by the column of their figure
    "Kinegraph": {"precision": "32-true"},
    "Kinegraph bf16": {"precision": "bf16-mixed"},
}


@dataclass
class Session:
    """What all rows share: the contestants, a folder, the device, sizes, and the time that is left."""

    contest: Contest
    folder: Path
    device: str
    tiny: bool
    pattern: str
    end: float  # of time.monotonic()

    def left(self) -> float:
        return self.end - time.monotonic()

    def chosen(self, work: str) -> bool:
        """Whether this work is asked for and there is time for it. Work without time is named below the table."""
        if not re.search(self.pattern, work):
            return False
        no_gpu = self.device == "cuda" and not torch.cuda.is_available() and not work.startswith("exported")
        if no_gpu or (self.device != "cuda" and re.search("CUDA graph|--compile", work)):
            self.contest.remark(f"left out, needs a GPU: {work}")
            return False
        if self.left() < 5:
            self.contest.remark(f"left out, no time: {work}")
            return False
        return True


def main() -> int:
    parser = argparse.ArgumentParser("bench/gpu.sh", description=__doc__)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--seconds", type=float, default=520, help="time for everything")
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that all runs")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only work that matches this expression")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(os.environ.get("OUT") or temporary)
        out.mkdir(parents=True, exist_ok=True)
        contest = Contest(Path(temporary), out / "log.txt", 0, (ROUNDS, ROUNDS))
        session = Session(contest, Path(temporary), options.device, options.tiny, options.rows, end)
        lines = description({"torch": torch.__version__})
        if torch.cuda.is_available():
            lines.append("fp32 is without TF32, but in rows of `kinegraph train`, which has torch's default")
        lines.append(f"peak: {peak_of(session.device) or 'not known, distance to the roofline needs a GPU'}")
        code = tests(session, out / "tests.txt", lines)
        rows = []
        for row in measured(session):
            rows.append(row)
            (out / "gpu.md").write_text(page(rows, lines, contest), encoding="utf-8")  # a stop loses nothing
        contest.close()
        table = page(rows, lines, contest)
        (out / "gpu.md").write_text(table, encoding="utf-8")
        print(table, end="")
    return code


def page(rows: list[Row], lines: list[str], contest: Contest) -> str:
    remarks = [*lines, *contest.remarks, f"measured in {contest.seconds_spent():.0f} s"]
    return as_markdown(rows) + "\n\n" + "\n".join(f"* {line}" for line in remarks) + "\n"


def tests(session: Session, log: Path, lines: list[str]) -> int:
    """Run the tests marked gpu, at most for a third of the time; their last line goes to `lines`."""
    if not session.chosen("tests"):
        return 0
    session.contest.say("tests")
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", ROOT / "tests" / "test_gpu.py"]
    command += ["-k", "absent or resumed"] * session.tiny
    environment = os.environ | {"KINEGRAPH_TEST_DEVICE": session.device}
    with open(log, "w", encoding="utf-8") as file:
        where = {"stdout": file, "stderr": subprocess.STDOUT, "cwd": ROOT, "env": environment}
        try:
            code = subprocess.run(command, timeout=session.left() / 3, **where).returncode
        except subprocess.TimeoutExpired:
            lines.append("tests: not done in a third of the time")
            return 1
    output = log.read_text(encoding="utf-8").splitlines()
    failures = [line for line in output if line.startswith(("FAILED", "ERROR"))]
    lines += [f"tests: {output[-1].strip('= ')}" if output else "tests: no output", *failures]
    return code


def measured(session: Session) -> Iterator[Row]:
    """Eager rows first, then the input pipeline, then what has to be compiled."""
    clips, frames = (2, (8, 8)) if session.tiny else (128, (100, 300))
    works = [
        job(session.folder, clips=clips, frames=count, joints=joints, device=session.device, threads=os.cpu_count())
        for count, joints in zip(frames, (17, 25), strict=True)
    ]
    for training in (True, False):
        for work in works:
            for share in (0, 80):
                yield from rows_of(session, replace(work, training=training, alone=round(clips * share / 100)))
    for work in works:
        yield from rows_of(session, replace(work, mode="CUDA graph"))
    for work in works:
        yield from pipeline_rows(session, work, "")
    for network in NEWER:
        for training in (True, False):
            about = {"clips": clips // 4 or 1, "frames": frames[0], "joints": 25, "training": training}
            yield from rows_of(session, job(session.folder, network, **about, device=session.device))
    for count in (1, clips):
        work = replace(works[0], clips=count)
        if session.chosen(f"exported, N={count} T={work.frames} V={work.joints}"):
            yield from exported_rows(session.folder, work, session.contest.remark, session.left)
    for mode in ("compiled, CUDA graphs", "compiled"):
        for training in (True, False):
            for work in works:
                yield from rows_of(session, replace(work, training=training, mode=mode))
    for work in works:
        yield from pipeline_rows(session, work, ", --compile")


def rows_of(session: Session, work: Job) -> Iterator[Row]:
    """Milliseconds of a step and its peak memory, in all columns."""
    verb = "training step" if work.training else "inference"
    verb = verb if work.network == "stgcn" else f"{work.network} {verb}"
    name = f"{verb}, {work.mode}, N={work.clips} T={work.frames} V={work.joints}, {work.alone}/{work.clips} one person"
    if not session.chosen(name):
        return
    session.contest.say(name)
    write_weights(work)
    times, memory = {}, {}
    for column, (contestant, precision) in COLUMNS.items():
        task = replace(work, precision=precision)
        limit = min(LIMITS[work.mode], session.left())
        try:
            if limit <= 0:
                raise Unavailable("no time")
            worker = session.contest.worker(contestant, work.threads)
            found = worker.ask("profile", vars(task), ROUNDS if not session.tiny else 1, seconds=limit)
        except Unavailable as reason:
            session.contest.remark(f"left out: {name}, {column}: {reason}")
            continue
        times[column] = [1e3 * value for value in found["seconds"]]
        memory[column] = [found["memory"]]
    if times:
        yield Row(name, "ms", times)
        if (peak := peak_of(session.device)) and not work.alone and (found := shares(work, peak, times)):
            yield Row(f"share of the GPU's peak in {name}", "%", found, compared=False)
        yield Row(f"peak memory of {name}", "MB", memory)


def pipeline_rows(session: Session, work: Job, how: str) -> Iterator[Row]:
    """Clips a second of `kinegraph train`, which reads, augments and batches clips meanwhile."""
    workers = 1 if session.tiny else 8
    name = f"kinegraph train, N={work.clips} T={work.frames} V={work.joints}, {workers} loading{how}"
    if not session.chosen(name):
        return
    session.contest.say(name)
    dataset = made_up_dataset(session.folder / f"dataset-{work.joints}", work.joints, 20 if session.tiny else 600)
    speeds, waits = {}, {}
    for column, options in list(TRAININGS.items())[: 1 if session.tiny else None]:
        options = {"preprocessing.frames": work.frames, "accelerator": session.device, **options}
        options |= {"layout": LAYOUTS[work.joints], "preprocessing.normalize": "none"}
        options |= {"compile": "true"} if how else {}
        run = session.folder / f"{len(list(session.folder.iterdir()))}-run"
        every = 1 if session.tiny else 20  # steps from one line of the log to the next
        try:
            if session.left() < 5:
                raise Unavailable("no time")
            limit = min(120 if how else 60, session.left())
            lines = train(dataset, run, work.clips, workers, every=every, limit=limit, **options)
        except Unavailable as reason:
            session.contest.remark(f"left out: {name}, {column}: {reason}")
            continue
        speeds[column], waits[column] = ([line[i] for line in lines] for i in (0, 1))
    if speeds:
        yield Row(name, "clips/s", speeds, more_is_better=True)
        yield Row(f"{name}, waiting for data", "%", waits)


def made_up_dataset(folder: Path, joints: int, clips: int) -> Path:
    if not folder.exists():
        layout = load_layout(LAYOUTS[joints])
        names = [f"action {i}" for i in range(60)]
        about = {"layout": layout, "class_names": names, "units": "m", "source": "made up"}
        write_dataset(folder, made_up(clips, layout), **about)
    return folder


if __name__ == "__main__":
    sys.exit(main())
