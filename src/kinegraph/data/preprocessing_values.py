"""Plain values of a preprocessing, as a weights file has them: is each of its field's kind?"""

from collections.abc import Mapping
from typing import Any

from kinegraph.messages import quoted


def check_kinds(read: Mapping[str, Any], varied: Mapping[str, Any]) -> None:
    """Raises ValueError for a value that is not of its field's kind; a weights file may say anything."""
    numbers = {f"augment.{name}": value for name, value in varied.items() if name not in ("rotation", "mirror_labels")}
    numbers |= {f"augment.rotation[{i}]": value for i, value in enumerate(_listed(varied, "rotation", "augment."))}
    numbers |= {"min_score": read.get("min_score") or 0, "test_crop": read.get("test_crop", 1.0)}
    counts = {
        name: read[name] for name in ("people", "frames", "test_frames", "test_clips") if read.get(name) is not None
    }
    for name, value in (numbers | counts).items():
        if isinstance(value, bool) or not isinstance(value, int if name in counts else int | float):
            kind = "a whole number" if name in counts else "a number"
            raise ValueError(f"preprocessing.{name} is {quoted(value)}, expected {kind}")
    switches = {name: read.get(name, False) for name in ("test_mirror", "moments")}
    for name, value in (switches | {"augment.mirror_labels": varied.get("mirror_labels", False)}).items():
        if not isinstance(value, bool):
            raise ValueError(f"preprocessing.{name} is {quoted(value)}, expected true or false")
    _listed(read, "streams")
    if "rotation" in varied and len(varied["rotation"]) != 3:
        raise ValueError(f"preprocessing.augment.rotation is {quoted(varied['rotation'])}, expected three numbers")


def _listed(given: Mapping[str, Any], name: str, group: str = "") -> list[Any]:
    if not isinstance(values := given.get(name, ()), list | tuple):
        raise ValueError(f"preprocessing.{group}{name} is {quoted(values)}, expected a list")
    return list(values)
