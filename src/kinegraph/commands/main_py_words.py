"""Options of main.py of yysijie/st-gcn, 2s-AGCN, MS-G3D and CTR-GCN: keys of its YAML file, or words of ours."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kinegraph.foreign.main_py import KNOWN

WEIGHTS = (".pt", ".pth", ".safetensors", ".onnx")
GROUPS = ("train_feeder_args", "test_feeder_args", "model_args", "optimizer_args")
OURS = {"config", "work_dir", "seed", "batch_size"}  # mean the same here
KEYS = {*KNOWN, *GROUPS} - OURS
WORKERS = ("num_worker", "num_workers")
SCORES = ("save_score", "save_result")
STATES = ("checkpoint", "optimizer_states")  # of MS-G3D: where a training goes on


@dataclass
class MainPyWords:
    """left: words that are ours. changes: values of the file, as --cfg-options. notes: what has no effect and why."""

    left: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def main_py_words(verb: str, argv: Sequence[str]) -> MainPyWords:
    """Sort the words behind the config. Raises ValueError for a phase that is the other verb's."""
    found, rest = MainPyWords(), list(argv)
    testing = verb == "test"
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        key = name.removeprefix("--").replace("-", "_")
        if name == "-model_saved_name":  # with one dash in 2s-AGCN and CTR-GCN
            name, key = "--model_saved_name", "model_saved_name"
        known = key in KEYS or key in (*WORKERS, *STATES) or (testing and key in OURS)
        if not name.startswith("--") or not known or _names_ours(key, value or next(iter(rest), "")):
            found.left.append(word)
        else:
            _take(key, [value] if equals else _values(key, rest), found, testing)
    return found


def _names_ours(key: str, value: str) -> bool:
    return key in ("model", "optimizer") and value.startswith(("kinegraph.", "torch."))


def _values(key: str, rest: list[str]) -> list[str]:
    """The words behind an option; weights end those of any other option, since they are an argument of ours."""
    if key in ("weights", *STATES):
        return [rest.pop(0)] if rest else []
    values = []
    while rest and not rest[0].startswith("--") and not rest[0].endswith(WEIGHTS):
        values.append(rest.pop(0))
    return values


def _take(key: str, values: list[str], found: MainPyWords, testing: bool) -> None:
    value = values[0] if values else "True"
    if key == "phase":
        if (value == "test") != testing:
            raise ValueError(f"--phase {value}: `kinegraph {'train' if testing else 'test'} CONFIG` does this")
    elif key == "device" and value == "-1":
        found.left += ["--accelerator", "cpu"]
    elif key == "device":
        several = f"; --devices {len(values)} computes on several" if len(values) > 1 else ""
        found.notes.append(f"--device: which GPU is seen is said by CUDA_VISIBLE_DEVICES{several}")
    elif key in STATES and not testing:
        raise ValueError(
            f"--{key} {value}: training goes on from runs of Kinegraph only (--work-dir RUN --resume); "
            "--weights begins a new one with weights"
        )
    elif key in STATES:
        found.notes.append(f"--{key}: the state of a training has no effect on a test")
    elif key == "use_gpu":
        found.left += ["--accelerator", "cpu"] if value.lower() == "false" else []
    elif key in WORKERS:
        found.left += ["--workers", value]
    elif key in SCORES:
        found.notes.append(f"--{key}: `kinegraph test` writes the scores with --out FILE.pkl")
    elif testing and key == "weights":
        found.left.insert(0, value)
    elif testing and key == "test_batch_size":
        found.left += ["--batch-size", value]
    elif testing and key == "half":
        found.notes.append("--half: a test is computed in float32, --precision says otherwise")
    elif testing and key in OURS:
        pass  # a folder to log in, the training's seed and batches
    elif key in GROUPS:
        found.changes += [f"{key}.{change}" for change in values]
    else:
        found.changes.append(f"{key}=[{','.join(values)}]" if len(values) > 1 else f"{key}={value}")
