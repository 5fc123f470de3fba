"""`python -m tests.attacks`: what crash and fuzz tests cannot see; a table of what was tried and what went wrong."""

import argparse
import gc
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).parents[2]
Outcome = tuple[int, list[str]]  # how often, and what went wrong


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    options.add_argument("--mutants", type=int, default=300, help="changed files a format")
    options.add_argument("--flips", type=int, default=200, help="flipped bits, over all kinds of files")
    options.add_argument("--rounds", type=int, default=10, help="of each attack with processes")
    options.add_argument("--predictions", type=int, default=20_000)
    options.add_argument("--only", default="", help="attacks whose name begins so")
    asked = options.parse_args()
    attacks: dict[str, Callable[[Path], Outcome]] = {
        "changed files: inspect, prepare and predict agree": lambda base: mutants(base, asked.mutants),
        "bits flipped in our files": lambda base: flips(base, asked.flips),
        "two prepare into one folder": lambda base: two_prepares(base, asked.rounds),
        "two train in one run folder": lambda base: two_trainings(base, asked.rounds),
        "dataset changed between kill and resume": lambda base: other_clips(base, asked.rounds),
        "SIGTERM to the process group, two workers": lambda base: to_the_group(base, asked.rounds, signal.SIGTERM),
        "SIGHUP to the process group, two workers": lambda base: to_the_group(base, asked.rounds, signal.SIGHUP),
        "pipes and endless links under every ending": special_files,
        "predictions: memory, threads and open files": lambda base: predictions(base, asked.predictions),
    }
    print("| attack | times | wrong | seconds |\n|---|---|---|---|", flush=True)
    wrong = 0
    for name, attack in attacks.items():
        if not name.startswith(asked.only):
            continue
        began, base = time.monotonic(), Path(tempfile.mkdtemp(prefix="kinegraph-attack-"))
        try:
            times, problems = attack(base)
        finally:
            shutil.rmtree(base, ignore_errors=True)
        wrong += len(problems)
        print(f"| {name} | {times:,} | {len(problems)} | {time.monotonic() - began:.0f} |", flush=True)
        for problem in problems[:10]:
            print(f"    {problem[:600]}", file=sys.stderr, flush=True)
    return int(wrong > 0)


# ---- files -----------------------------------------------------------------------------------------------------------


def mutants(base: Path, count: int) -> Outcome:
    from tests.attacks.agreement import compare
    from tests.data import faulty
    from tests.data.formats.test_every_format import SAMPLES

    problems = []
    for name, write in SAMPLES.items():
        problems += [f"{name}: {it}" for it in compare(name, write, faulty.recordings(), base / name, count)]
    return count * len(SAMPLES), problems


def flips(base: Path, count: int) -> Outcome:
    from tests.attacks.flipping import KINDS, flip, written

    folder, problems = written(base), []
    each = -(-count // len(KINDS))
    for name in KINDS:
        refused, silent = flip(folder, name, each)
        problems += [f"{name}: bit {place} was not noticed" for place in silent]
        print(f"    {name}: {refused} of {each} refused, the others changed nothing", file=sys.stderr)
    return each * len(KINDS), problems


def special_files(base: Path) -> Outcome:
    from kinegraph.data.formats import FORMATS
    from tests.attacks.agreement import said

    suffixes = sorted({suffix for module in FORMATS for suffix in module.SUFFIXES})
    suffixes += [".safetensors", ".pth", ".ckpt", ".yaml"]
    times, problems = 0, []
    for suffix in suffixes:
        for kind in ("pipe", "endless"):
            path = base / f"{kind}{suffix}" / f"file{suffix}"
            path.parent.mkdir()
            os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
            for words in (
                ["inspect", path],
                ["prepare", path, base / "set"],
                ["prepare", path.parent, base / "set"],
                ["predict", "ui-prmd-10", path],
                ["train", path],
                ["report", path, "--out", base / "r.html"],
            ):
                began = time.monotonic()
                code, text = said(*words)
                times += 1
                lines = text.strip().splitlines()
                if code not in (1, 2) or "Traceback" in text or time.monotonic() - began > 20 or len(lines) > 6:
                    problems.append(f"{words[0]} {path.name}: {code} {text[-300:]}")
    return times, problems


# ---- processes -------------------------------------------------------------------------------------------------------


def kinegraph(*words: object, **more) -> subprocess.Popen:
    command = [sys.executable, "-m", "kinegraph", *map(str, words)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": _path()},
        **more,
    )


def _path() -> str:
    return os.pathsep.join([str(HERE / "src"), str(HERE), os.environ.get("PYTHONPATH", "")])


def two_prepares(base: Path, rounds: int) -> Outcome:
    from tests.data import faulty

    source, problems = faulty.npz(base, faulty.recordings()), []
    for number in range(rounds):
        out = base / f"set{number}"
        both = [kinegraph("prepare", source, out) for _ in range(2)]
        texts = ["".join(process.communicate(timeout=300)) for process in both]
        codes = sorted(process.returncode for process in both)
        left = [it.name for it in base.iterdir() if ".partial" in it.name]
        if codes != [0, 2] or left or kinegraph("inspect", out).wait(timeout=100) != 0:
            problems.append(f"codes {codes}, left {left}: {texts}")
    return rounds, problems


def small_run(base: Path, **more: object) -> tuple[Path, Path]:
    """A dataset and a config that trains on it for a while."""
    from tests import made_up

    data = made_up.dataset(base / "data").path
    return data, made_up.config(base / "c.yaml", data, **({"epochs": 6, "save_every": 1} | more))


def two_trainings(base: Path, rounds: int) -> Outcome:
    _, config = small_run(base)
    problems = []
    for number in range(rounds):
        run = base / f"run{number}"
        both = [kinegraph("train", config, "--work-dir", run) for _ in range(2)]
        texts = ["".join(process.communicate(timeout=300)) for process in both]
        codes = sorted(process.returncode for process in both)
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        epochs = [line["epoch"] for line in lines if line["mode"] == "val"]
        if codes != [0, 2] or epochs != [1, 2, 3, 4, 5, 6] or "is in use" not in "".join(texts):
            problems.append(f"codes {codes}, epochs {epochs}: {texts}")
    return rounds, problems


def stopped_in(
    base: Path, config: Path, run: Path, seconds: float, who: Callable[[subprocess.Popen], None], *more
) -> int:
    """Train until there is a checkpoint and some more seconds have gone, then stop it. Returns its exit code."""
    process = kinegraph("train", config, "--work-dir", run, *more, start_new_session=True)
    limit = time.monotonic() + 120
    while not (run / "checkpoints" / "last.ckpt").exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.05)
    time.sleep(seconds)
    who(process)
    process.communicate(timeout=120)
    return process.returncode


def other_clips(base: Path, rounds: int) -> Outcome:
    """Killed, resumed on other clips (refused), resumed on the right ones: the weights of an undisturbed run."""
    from tests import made_up

    data, config = small_run(base, epochs=12)
    whole = base / "undisturbed"
    kinegraph("train", config, "--work-dir", whole).communicate(timeout=300)
    expected = (whole / "checkpoints" / "last.safetensors").read_bytes()
    rng, problems = np.random.default_rng(0), []
    for number in range(rounds):
        run = base / f"run{number}"
        stopped_in(base, config, run, float(rng.uniform(0, 0.5)), lambda process: process.kill())
        data.rename(base / "right")
        made_up.dataset(data, 28)
        refused = kinegraph("train", config, "--work-dir", run, "--resume")
        text = "".join(refused.communicate(timeout=300))
        shutil.rmtree(data)
        (base / "right").rename(data)
        resumed = kinegraph("train", config, "--work-dir", run, "--resume")
        after = "".join(resumed.communicate(timeout=300))
        last = run / "checkpoints" / "last.safetensors"
        if refused.returncode != 2 or resumed.returncode or not last.exists() or last.read_bytes() != expected:
            problems.append(f"codes {refused.returncode}, {resumed.returncode}: {text[-300:]} {after[-300:]}")
    return rounds, problems


def to_the_group(base: Path, rounds: int, number: signal.Signals) -> Outcome:
    """A signal to all processes of a training, as SLURM or a closing terminal sends it: a checkpoint is written."""
    _, config = small_run(base, epochs=400)
    rng, problems = np.random.default_rng(1), []
    for turn in range(rounds):
        run = base / f"run{turn}"
        sent = 0.0

        def send(process: subprocess.Popen) -> None:
            nonlocal sent
            sent = time.time()
            os.killpg(process.pid, number)

        code = stopped_in(base, config, run, float(rng.uniform(0, 1)), send, "--workers", 2)
        saved = run / "checkpoints" / "last.ckpt"
        if code not in (130, 143) or not saved.exists() or saved.stat().st_mtime < sent:
            problems.append(
                f"code {code}, saved {saved.exists() and saved.stat().st_mtime - sent:.2f} s after the signal"
            )
    return rounds, problems


# ---- many predictions ------------------------------------------------------------------------------------------------


def predictions(base: Path, count: int) -> Outcome:
    """`kg.predict` again and again: the second half must need no more memory, threads or files than the first."""
    import torch

    import kinegraph as kg
    from kinegraph.data.dataset import open_dataset
    from tests import made_up
    from tests.attacks.agreement import network_for

    data = open_dataset(made_up.dataset(base / "data").path)
    network_for(base / "data", base / "w.safetensors")
    model, clips = kg.load_model(base / "w.safetensors"), [data[i] for i in range(len(data))]
    first = [kg.predict(model, clip, compare=False).probabilities for clip in clips]
    measured, problems = [], []
    for number in range(count):
        found = kg.predict(model, clips[number % len(clips)], compare=False).probabilities
        if not np.array_equal(found, first[number % len(clips)]):
            problems.append(f"prediction {number:,} is another one")
        if (number + 1) % max(count // 4, 1) == 0:
            gc.collect()
            measured.append((_resident(), threading.active_count(), len(os.listdir("/proc/self/fd"))))
    (memory, threads, files), (later, threads_later, files_later) = measured[0], measured[-1]
    print(f"    {memory:,} to {later:,} kB, {threads} to {threads_later} threads, {files} to {files_later} open files;"
          f" peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:,} kB", file=sys.stderr)  # fmt: skip
    if later > memory + 4096 or threads_later > threads or files_later > files:
        problems.append(f"grew: {measured}")
    assert torch.get_num_threads() >= 1
    return count, problems


def _resident() -> int:
    """Memory in use, kB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


if __name__ == "__main__":
    sys.exit(main())
