"""What the header of a weights file may say of a network beside how it is built. Each fact must be of its kind.

The facts are shown to people and go into the model card; `models/weights.py` lists them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from kinegraph.messages import quoted

Check = Callable[[object], bool]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _lengths(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_count, value))


def _versions(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_text, value.values()))


TEXTS = dict.fromkeys(("source", "licence", "weights_licence", "units", "split", "part", "weights", "chosen_by"), _text)
COUNTS = dict.fromkeys(("clips", "classes", "subjects"), _count)
FACTS: Mapping[str, Check] = TEXTS | COUNTS | {"frames": _lengths, "coordinates": _texts, "absent": _texts}
FIGURES: Mapping[str, Check] = FACTS | dict.fromkeys(("top1", "top5", "mean_class_accuracy", "loss"), _number)
PLAIN: Mapping[str, Check] = {
    "made_with": _versions,
    "least_probability": _number,
    "epoch": _count,
    "epochs": _count,
    **dict.fromkeys(("recipe", "stored", "source", "licence", "notes"), _text),
}


def checked_extra(extra: Mapping[str, Any], origin: object) -> dict[str, Any]:
    """The facts without those that are null. Raises ValueError, beginning with the origin, for one of another kind."""
    known = {key: value for key, value in extra.items() if value is not None}
    _check(known, PLAIN, f"{origin}: its header")
    for key in ("training", "based_on"):
        if key in known:
            known[key] = _facts(known[key], FACTS, (), f"{origin}: in its header '{key}'")
    if "weights" not in known.get("based_on", {"weights": ""}):
        raise ValueError(f"{origin}: in its header 'based_on' does not say on which weights")
    measured = known.get("measured", [])
    if not isinstance(measured, list):
        raise ValueError(f"{origin}: its header has {quoted(measured)} as 'measured', expected a list")
    if measured:
        what = f"{origin}: in its header 'measured'"
        known["measured"] = [_facts(one, FIGURES, ("source", "clips"), what) for one in measured]
    return known


def _facts(found: object, kinds: Mapping[str, Check], needed: tuple[str, ...], what: str) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        raise ValueError(f"{what} is {quoted(found)}, expected facts by name")
    facts = {key: value for key, value in found.items() if value is not None}
    if lacking := [key for key in needed if key not in facts]:
        raise ValueError(f"{what} lacks '{lacking[0]}'")
    _check(facts, kinds, what)
    return facts


def _check(facts: Mapping[str, Any], kinds: Mapping[str, Check], what: str) -> None:
    for key, fits in kinds.items():
        if key in facts and not fits(facts[key]):
            expected = "text" if fits is _text else "a number" if fits in (_number, _count) else "what training writes"
            raise ValueError(f"{what} has {quoted(facts[key])} as '{key}', expected {expected}")
