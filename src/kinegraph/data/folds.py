"""Splits that are not written in a dataset: some subjects are the test part, or one of several folds of the clips.

subject=5,6             clips of the subjects 5 and 6 are "test", all others "train"
performer="Lee, A",Kim  a value with a comma stands in quotes
xsub/subject=5          the same among the clips of xsub's part "train"; all others are in no part
fold=2/5                the second of five folds of the clips; every class is dealt out in turn
"""

import csv
import re
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from jaxtyping import Int, Shaped

from kinegraph.data.split_names import ABSENT
from kinegraph.messages import did_you_mean, first_few, quoted

FOLD = "fold"
FORM = re.compile(r"(?:([^=]+)/)?([^/=]+)=(.+)", re.DOTALL)  # of a name: split, attribute, values
NEEDS_QUOTES = re.compile(r'[,"\r\n]|^\s|\s$')


def divided(
    name: str,
    splits: Mapping[str, Shaped[np.ndarray, "n"]],
    attributes: Mapping[str, Shaped[np.ndarray, "n"]],
    labels: Int[np.ndarray, "n"],
) -> Shaped[np.ndarray, "n"] | None:
    """The part of each clip in a split of one of these forms; None for a name without `=`.

    Raises ValueError for an attribute, a value or a fold that is not there.
    """
    if (form := FORM.fullmatch(name)) is None:
        return None
    base, key, value = form.groups()
    if base is not None and base not in splits:
        raise ValueError(f"there is no split {quoted(base)}{did_you_mean(base, splits)}")
    inside = splits[base] == "train" if base is not None else np.ones(len(labels), bool)
    parts = np.full(len(labels), ABSENT, dtype="<U5")
    parts[inside] = "train"
    parts[_tested(key, value, inside, attributes, labels)] = "test"
    return parts


def _tested(
    key: str, value: str, inside: np.ndarray, attributes: Mapping[str, np.ndarray], labels: np.ndarray
) -> np.ndarray:
    """The numbers of the clips that are tested."""
    places = np.flatnonzero(inside)
    if key == FOLD and key not in attributes:
        number, _, count = value.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) and int(count) > 1):
            raise ValueError(f"the split is {quoted(f'{key}={value}')}, expected fold=NUMBER/FOLDS, such as fold=1/5")
        return places[folds(labels[places], count=int(count)) == int(number) - 1]
    if key not in attributes:
        there = f"; there are {', '.join(attributes)}" if attributes else "; the clips have no attributes"
        raise ValueError(f"the clips have no attribute {quoted(key)}{did_you_mean(key, attributes) or there}")
    text = np.array(list(map(str, attributes[key].tolist())), dtype=object)
    known = set(text[places])
    wanted = next(csv.reader([value], skipinitialspace=True))
    wanted = [part if part in known else part.strip() for part in wanted]
    missing = [part for part in wanted if part not in known]
    if missing and value in known:  # a single value with a comma in it
        wanted, missing = [value], []
    if missing:
        raise ValueError(f"no clip has {key} {quoted(missing[0])}; there are {first_few(sorted(known), 8)}")
    return places[np.isin(text[places].astype(str), wanted)]


def listed(values: Sequence[str]) -> str:
    """Values of an attribute as a split name has them."""
    doubled = (value.replace('"', '""') for value in values)
    return ",".join(f'"{value}"' if NEEDS_QUOTES.search(value) else value for value in doubled)


def folds(
    labels: Int[np.ndarray, "N"], groups: Sequence[Hashable] | Shaped[np.ndarray, "N"] | None = None, count: int = 5
) -> Int[np.ndarray, "N"]:
    """The fold of each clip, without chance: clips of one group stay together, folds are about equal.

    groups: e.g. each clip's subject. Without them the clips of every class are dealt out in turn.
    Raises ValueError when there are fewer than two groups or clips.
    """
    if groups is None:
        order = np.argsort(labels, kind="stable")
        fold = np.empty(len(labels), dtype=np.int64)
        fold[order] = np.arange(len(labels)) % count
        if len(labels) < 2:
            raise ValueError(f"{len(labels)} clips cannot be divided into folds")
        return fold
    found, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"all clips are of one group ({found[0]}), cross-fitting needs at least two")
    sizes = np.bincount(member)
    filled, fold_of = np.zeros(min(count, len(found)), dtype=np.int64), np.empty(len(found), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):  # the largest first, each into the emptiest fold
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[member]
