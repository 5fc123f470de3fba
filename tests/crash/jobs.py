"""What is killed, and what must be true afterwards: the old state or the new one, and a second try that succeeds."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file

from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.results import read_result
from kinegraph.models.weights import load_weights
from tests import made_up
from tests.crash.killing import run

TIMES = ("time", "data_time", "memory", "command")
State = Mapping[str, str]  # part of what a command writes -> what is in it


class LostError(AssertionError):
    """Something is neither as before nor as it was to be."""


@dataclass(frozen=True)
class Job:
    """One command that writes `out` in the folder where it runs.

    before: the command that makes an older `out`, if one is there. apart: whether each file of `out` is a state of its
    own. check: reads `out` as a user would.
    """

    name: str
    command: tuple[str, ...]
    before: tuple[str, ...] | None = None
    apart: bool = False
    check: Callable[[Path], object] = lambda out: None
    train: bool = False
    children: bool = False


def jobs(base: Path) -> list[Job]:
    """Makes what the commands read, in `base`."""
    base.mkdir(parents=True, exist_ok=True)
    raw, data = base / "raw", base / "dataset"
    made_up.dataset(data)
    config = made_up.config(base / "config.yaml", data, save_every=2, log_every=2)
    must(run(("synthesize", str(raw), "--clips", "64", "--actions", "8", "9", "--workers", "2"), base))
    must(run(("train", str(config), "--work-dir", "run", "--epochs", "1"), base))
    weights = [str(base / "run" / "checkpoints" / f"{name}.safetensors") for name in ("best", "last")]
    must(run(("train", str(config), "--work-dir", "run2", "--epochs", "1", "--seed", "8"), base))
    weights.append(str(base / "run2" / "checkpoints" / "last.safetensors"))
    synthesize = ("synthesize", "out", "--clips", "64", "--workers", "2", "--overwrite", "--actions")
    prepare = ("prepare", "ntu60", str(raw), "out", "--overwrite", "--workers")
    convert, train = ("convert", str(data)), ("train", str(config), "--work-dir", "out")
    npy = ("--format", "npy", "--overwrite")
    test = ("test", str(config), *weights[1:2], "--out", "out/result.pkl")
    older_test = ("test", str(config), *weights[2:], "--out", "out/result.pkl")
    return [  # in this order, so that a few kills meet every kind
        Job("train", train, check=_run, train=True),
        Job("prepare anew", (*prepare, "1"), (*prepare, "1", "--dtype", "float16"), check=_dataset),
        Job("test anew", test, older_test, True, _result),
        Job("synthesize anew", (*synthesize, "8", "9"), (*synthesize, "23", "27"), children=True),
        Job("train, 2 workers", (*train, "--workers", "2"), check=_run, train=True, children=True),
        Job("convert anew", (*convert, "out", *npy), (*convert, "out", *npy, "--frames", "100")),
        Job("train, 2 processes", (*train, "--accelerator", "cpu", "--devices", "2"), check=_run, train=True,
            children=True),
        Job("convert", (*convert, "out/a.pkl", "--overwrite"), None, True),
        Job("prepare", (*prepare, "2"), check=_dataset, children=True),
        Job("convert weights", ("convert", weights[1], "out/w.pth", "--to", "pyskl", "--overwrite"), None, True),
        Job("test", test, None, True, _result),
        Job("synthesize", (*synthesize, "8", "9"), children=True),
    ]  # fmt: skip


def must(ending) -> None:
    if ending.code:
        raise RuntimeError(f"a command that is not killed ends with {ending.code}: {ending.output[-3000:]}")


def again(job: Job, folder: Path) -> tuple[str, ...]:
    """The command that goes on after a kill."""
    resumed = job.train and (folder / "out" / "checkpoints" / "last.ckpt").is_file()
    return (*job.command, "--resume") if resumed else job.command


def state_of(job: Job, folder: Path) -> State:
    """What is in `out`, hidden remains aside: of a training its weights and its log without times."""
    out = folder / "out"
    files = sorted(it for it in out.rglob("*") if it.is_file() and ".partial-" not in str(it.relative_to(folder)))
    if job.train:
        found = {file.name: _tensors(file) for file in files if file.suffix == ".safetensors"}
        return found | {"log.jsonl": json.dumps(log(out))}
    contents = {str(file.relative_to(folder)): hashlib.md5(file.read_bytes()).hexdigest() for file in files}
    return contents if job.apart else {"out": json.dumps(contents)} if contents else {}


def judge(job: Job, folder: Path, old: State, new: State) -> None:
    """Raises LostError unless each part of `out` is old or new, and readable."""
    found = state_of(job, folder)
    if not job.train:
        for part in old.keys() | new.keys() | found.keys():
            if found.get(part) not in (old.get(part), new.get(part)):
                raise LostError(f"{part} is {'half' if part in found else 'lost'}")
    if (folder / "out").exists() and found:
        job.check(folder / "out")


def log(folder: Path) -> list[dict]:
    path = folder / "log.jsonl"
    text = path.read_text() if path.exists() else ""
    if text and not text.endswith("\n"):
        raise LostError("the last line of log.jsonl is half")
    return [{key: it for key, it in json.loads(line).items() if key not in TIMES} for line in text.splitlines()]


def remains(folder: Path) -> list[str]:
    return [str(it.relative_to(folder)) for it in folder.rglob(".*") if ".partial-" in it.name or "replaced" in it.name]


def fresh(job: Job, folder: Path, old: Path) -> Path:
    """A folder to run in, with the older state in it."""
    shutil.copytree(old, folder)
    if job.apart:
        (folder / "out").mkdir(exist_ok=True)
    return folder


def _tensors(file: Path) -> str:
    parts = sorted(load_file(file).items())
    return hashlib.md5(b"".join(name.encode() + it.numpy().tobytes() for name, it in parts)).hexdigest()


def _dataset(out: Path) -> None:
    open_dataset(out, check_values=True)


def _result(out: Path) -> None:
    if (out / "result.pkl").exists():
        read_result(out / "result.pkl")


def _run(out: Path) -> None:
    for file in out.rglob("*.safetensors"):
        load_weights(file)
