"""Nested lists of a JSON as arrays, with null in place of what is not there and any number of people a frame."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float


def array_of(lists: object, axes: int) -> Float[np.ndarray, "..."]:
    """The numbers of a nested list, NaN for what is null. Frames with fewer people than others are filled up.

    axes: as many as there are at most. Raises ValueError or TypeError for what is no nested list of numbers.
    """
    try:
        return np.array(lists, dtype=np.float64)
    except (ValueError, TypeError):  # null in place of a list, or frames with other numbers of people
        if uneven(lists, axes):
            lists = _even(lists)
        return np.array(_without_null(lists, _sizes(lists, axes)), dtype=np.float64)


def uneven(lists: object, axes: int) -> bool:
    """Whether these are the people of each frame, in different numbers."""
    if not isinstance(lists, list) or not all(frame is None or isinstance(frame, list) for frame in lists):
        return False
    counts = {len(frame) for frame in lists if frame is not None}
    return len(counts) > 1 and max(counts) <= len(lists) and depth_of(lists, axes) == axes


def _even(lists: list[list | None]) -> list[list]:
    most = max(len(frame) for frame in lists if frame is not None)
    return [[*(frame or ()), *[None] * (most - len(frame or ()))] for frame in lists]


def depth_of(lists: object, axes: int) -> int:
    """How many lists lie in each other, on the way along the first that is not empty."""
    if axes == 0 or not isinstance(lists, list):
        return 0
    return 1 + depth_of(next((inner for inner in lists if inner not in (None, [])), None), axes - 1)


def _sizes(lists: object, axes: int) -> tuple[int, ...]:
    """The lengths of a nested list, of a list in it, and so on, along one that has all of them."""
    if axes == 0 or not isinstance(lists, list):
        return ()
    return len(lists), *_longest(_sizes(inner, axes - 1) for inner in lists if inner is not None)


def _longest(sizes: Iterator[tuple[int, ...]]) -> tuple[int, ...]:
    return max(sizes, key=len, default=())


def _without_null(lists: object, sizes: tuple[int, ...]) -> object:
    """The nested list with lists of NaN in place of null: nobody in a frame, or a joint that was not seen."""
    if lists is None and sizes:
        return np.full(sizes, np.nan).tolist()
    if len(sizes) < 2 or not isinstance(lists, list):
        return lists
    return [_without_null(inner, sizes[1:]) for inner in lists]
