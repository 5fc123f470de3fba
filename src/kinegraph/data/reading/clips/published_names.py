"""Names of published data sets: classes of NTU RGB+D and BABEL, and files of NTU RGB+D."""

import re
from functools import cache
from importlib import resources

NTU_NAME = re.compile(
    r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", re.ASCII
)  # setup, camera, person, repetition, action


@cache
def ntu_class_names(classes: int = 60) -> tuple[str, ...]:
    """Names of the actions; class i is action A(i+1)."""
    return _facts("ntu_class_names.txt")[:classes]


@cache
def missing_skeletons() -> frozenset[str]:
    """The 535 samples (302 of them in NTU RGB+D 60) that the authors list as having missing or incomplete skeletons."""
    return frozenset(_facts("ntu_missing_skeletons.txt"))


@cache
def babel_class_names(classes: int) -> tuple[str, ...]:
    """BABEL's 60 or 120 most frequent actions, in its order."""
    return _facts("babel_class_names.txt")[:classes]


def _facts(name: str) -> tuple[str, ...]:
    text = (resources.files("kinegraph.data.reading.clips") / "facts" / name).read_text(encoding="utf-8")
    return tuple(text.splitlines())
