"""The development sets of `accuracy.py`, each as a dataset folder with the split "test" (parts train and test)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kinegraph.data.dataset import write_dataset
from kinegraph.data.read import recordings

MISSING = -32768
SPLIT = "test"


@dataclass(frozen=True)
class Set:
    """file: in the folder of the sets. by: what its folds keep together. train: which clips are for training."""

    file: str
    by: str
    train: Callable[[dict[str, np.ndarray]], np.ndarray]
    labels: str = ""  # of `kinegraph prepare` for npz
    used: Callable[[dict[str, np.ndarray]], np.ndarray] | None = None
    merged: tuple[str, ...] = ()  # classes that count as one


def odd(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return arrays["subject"] % 2 == 1


SETS = {
    "ui-prmd-20": Set("ui_prmd_kinect.npz", "subject", odd, labels="quality"),
    "ui-prmd-10": Set("ui_prmd_kinect.npz", "subject", odd, labels="correct"),
    "hdm05-11": Set("hdm05_11.npz", "subject", lambda it: it["train"], labels="movement"),
    "msr-action3d": Set("dev/msraction3d.npz", "subject", odd, used=lambda it: it["cvpr12_557"]),
    "utkinect": Set("dev/utkinect.npz", "subject", lambda it: it["subject"] <= 5),
    "g3d": Set("dev/g3d_kinect.npz", "subject", odd, merged=("SteerCentre", "SteerLeft", "SteerRight")),
    "penn-action": Set("dev/penn_action.npz", "clip", lambda it: ~it["test"]),
    "asl-16": Set("dev/asl16_holistic.npz", "clip", lambda it: it["session"] == 0),
}


def prepared(name: str, shared: Path, folder: Path) -> Path:
    """The dataset folder of a set, made where it is not there yet, by the reader that own arrays come through."""
    path, about = folder / name, SETS[name]
    if (path / "dataset.json").is_file():
        return path
    source = shared / about.file
    if about.file.startswith("dev/"):
        source = folder / f"{name}.npz"
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(source, **_as_own_arrays(shared / about.file, about))
    found = recordings(source, "npz", labels=about.labels or "movement")
    clips = (replace(clip, splits={SPLIT: _part(clip.splits)}) for clip in found.clips)
    names, units = found.class_names, found.units
    write_dataset(path, clips, layout=found.layout, class_names=names, units=units, source=about.file)
    return path


def _part(splits: dict[str, str]) -> str:
    (part,) = splits.values()
    return "train" if part == "train" else "test"


def _as_own_arrays(path: Path, about: Set) -> dict[str, np.ndarray]:
    """The arrays as a user would save them; a missing joint is zero."""
    with np.load(path) as file:
        arrays = dict(file)
    names, label = _classes(arrays, about)
    used = about.used(arrays) if about.used else np.ones(len(label), bool)
    rows = np.repeat(used, arrays["length"])
    there = (arrays["x"] != MISSING).all(-1)
    if "visibility" in arrays:  # hidden joints are kept, those at (1, 1) are no places
        there &= (arrays["x"] > 2 * arrays["scale"]).any(-1)
    own = {
        "keypoint": np.where(there[..., None], arrays["x"] / arrays["scale"], 0).astype(np.float32)[rows],
        "length": arrays["length"][used],
        "label": label[used],
        "class_names": np.array(names),
        "train": about.train(arrays)[used],
        **{key: arrays[key] for key in ("joint_names", "parents")},
    }
    return own | ({"subject": arrays["subject"][used].astype(int)} if "subject" in arrays else {})


def _classes(arrays: dict[str, np.ndarray], about: Set) -> tuple[list[str], np.ndarray]:
    names, label = arrays["class_names"].tolist(), arrays["label"].astype(int)
    if not about.merged:
        return names, label
    kept = [name for name in names if name not in about.merged[1:]]
    place = {name: kept.index(about.merged[0] if name in about.merged else name) for name in names}
    return kept, np.array([place[names[i]] for i in label])
