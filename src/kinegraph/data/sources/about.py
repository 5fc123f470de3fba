"""What a dataset says about itself, for other projects' formats that have no place for it."""

import json
from collections.abc import Mapping
from pathlib import Path

from kinegraph.data.sources.pickles import quoted
from kinegraph.data.store import SkeletonDataset
from kinegraph.skeleton.layout import JointLayout

FILE = "kinegraph.json"
KINDS = {"layout": Mapping, "class_names": list, "units": str, "score": bool, "source": str, "licence": str}


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


def checked(about: object, where: Path) -> dict:
    """What `described` wrote, with the layout built. Raises ValueError when it is something else."""
    if not isinstance(about, Mapping):
        raise ValueError(f"{where}: what it says about the dataset is no mapping")
    if odd := [key for key, kind in KINDS.items() if not isinstance(about.get(key), kind)]:
        raise ValueError(f"{where}: '{odd[0]}' is {quoted(about.get(odd[0]))}, expected {KINDS[odd[0]].__name__}")
    if not all(isinstance(name, str) for name in about["class_names"]):
        raise ValueError(f"{where}: 'class_names' holds something else than names")
    try:
        return {**about, "layout": JointLayout.from_dict(about["layout"])}
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def read_about(folder: Path) -> dict:
    """The file in a folder, nothing where there is none."""
    file = folder / FILE
    if not file.is_file():
        return {}
    try:
        return checked(json.loads(file.read_text(encoding="utf-8")), file)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError(f"{file} is not readable JSON") from None


def write_about(folder: Path, about: Mapping) -> None:
    (folder / FILE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
