"""The JSON file beside files of other projects' formats: facts about a dataset that these have no place for.

A file kinegraph.json in the folder that `kinegraph convert` writes, or NAME.kinegraph.json beside its one file
NAME.pkl: layout, class names, units, source and licence, and a line for each clip with what only its dataset knows.
"""

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.reading.clips.recordings import Recordings, each_clip
from kinegraph.safe_io import read_json
from kinegraph.safe_pickle import quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

FILE = "kinegraph.json"
KINDS = {"layout": Mapping, "class_names": list, "units": str, "score": bool, "source": str, "licence": str}


@dataclass(frozen=True)
class ClipRecord:
    """What the file says about a clip. people, frames: without what pads them."""

    people: int
    frames: int
    fps: float | None
    image_size: tuple[int, int] | None
    attributes: dict[str, int | str]
    splits: dict[str, str]
    label: int | None = None


def beside(path: Path) -> Path:
    """The file that describes a folder, or one file."""
    return path / FILE if path.is_dir() else path.with_name(f"{path.stem}.{FILE}")


def described(dataset: SkeletonDataset) -> dict:
    """Plain values for a JSON file or a pickle."""
    return {
        "layout": dataset.layout.to_dict(),
        "class_names": list(dataset.class_names),
        "units": dataset.units,
        "score": dataset.has_score,
        "source": dataset.source,
        "licence": dataset.licence,
    }


def about_text(dataset: SkeletonDataset, clips: Iterable[int] | Int[np.ndarray, "n"], split: str | None = None) -> str:
    """The content of the file: what `described` says, the split whose parts were written, and one line per clip."""
    head = json.dumps(described(dataset) | {"split": split}, indent=1, ensure_ascii=False)
    lines = (f"  {_json(dataset.names[i])}: {_json(_record(dataset, int(i)))}" for i in clips)
    return head.removesuffix("\n}") + ',\n "clips": {\n' + ",\n".join(lines) + "\n }\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _record(dataset: SkeletonDataset, i: int) -> dict:
    fps, (width, height) = float(dataset.fps[i]), dataset.image_size[i].tolist()
    return {
        "people": int(dataset.people[i]),
        "frames": int(dataset.frames[i]),
        "fps": fps if fps == fps else None,
        "image_size": [width, height] if width else None,
        "attributes": {key: values[i].item() for key, values in dataset.attributes.items()},
        "splits": {key: str(values[i]) for key, values in dataset.splits.items()},
        "label": int(dataset.label[i]) if dataset.label[i] >= 0 else None,
    }


# ---- read ------------------------------------------------------------------------------------------------------------


def checked(about: object, where: Path) -> dict:
    """What `described` wrote, with the layout built. Raises ValueError when it is something else."""
    if not isinstance(about, Mapping):
        raise ValueError(f"{where}: what it says about the dataset is no mapping")
    if wrong := [key for key, kind in KINDS.items() if not isinstance(about.get(key), kind)]:
        raise ValueError(f"{where}: '{wrong[0]}' is {quoted(about.get(wrong[0]))}, expected {KINDS[wrong[0]].__name__}")
    if not all(isinstance(name, str) for name in about["class_names"]):
        raise ValueError(f"{where}: 'class_names' holds something else than names")
    try:
        return {**about, "layout": JointLayout.from_dict(about["layout"])}
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def read_about(file: Path) -> dict:
    """The file's content, its clips as `ClipRecord` by name; nothing where there is no such file."""
    if not file.is_file():
        return {}
    about = checked(read_json(file), file)
    clips = about.get("clips", {})
    if not isinstance(clips, Mapping):
        raise ValueError(f"{file}: 'clips' is no mapping of names to what is known of a clip")
    return {**about, "clips": {name: _clip(record, f"{file}: clip '{name}'") for name, record in clips.items()}}


def _clip(record: object, where: str) -> ClipRecord:
    def whole(value: object) -> bool:
        return type(value) is int and value > 0

    def mapping(value: object, *kinds: type) -> bool:
        return isinstance(value, Mapping) and all(type(cell) in kinds for cell in value.values())

    tests = {
        "people": whole,
        "frames": whole,
        "fps": lambda value: value is None or (isinstance(value, Real) and value > 0),
        "image_size": lambda value: value is None or (isinstance(value, list) and [*map(whole, value)] == [True, True]),
        "attributes": lambda value: mapping(value, int, str),
        "splits": lambda value: mapping(value, str),
        "label": lambda value: value is None or (type(value) is int and value >= 0),
    }
    if not isinstance(record, Mapping):
        raise ValueError(f"{where} is no mapping")
    if wrong := [key for key, test in tests.items() if not test(record.get(key))]:
        raise ValueError(f"{where} has as '{wrong[0]}' {quoted(record.get(wrong[0]))}")
    size = record["image_size"] and tuple(record["image_size"])
    return ClipRecord(**{key: record.get(key) for key in tests} | {"image_size": size})


def with_companion(about: Mapping[str, Any], found: Recordings, said: Container[str]) -> Recordings:
    """Recordings with what the file beside them says. said: names of options that were given, which go before it."""
    facts = {"class_names": tuple(about["class_names"]), "source": about["source"], "licence": about["licence"]}
    units = found.units if "units" in said else about["units"]
    clips = each_clip(found.clips, lambda clip: (_labelled(completed(clip, about), about),))
    return replace(found, clips=clips, units=units, guessed=found.guessed & {"up"}, assumed=(), **facts)


def _labelled(clip: SkeletonClip, about: Mapping[str, Any]) -> SkeletonClip:
    record = about["clips"].get(clip.name)
    return clip if record is None else replace(clip, label=record.label)


def completed(clip: SkeletonClip, about: Mapping) -> SkeletonClip:
    """A clip with what the file says about it; as it is where the file is not there or does not know it."""
    record = about.get("clips", {}).get(clip.name)
    if record is None:
        return clip
    fields = {key: getattr(record, key) for key in ("fps", "image_size", "attributes", "splits")}
    return replace(clip, **fields)
