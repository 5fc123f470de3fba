"""A recording far longer than the clips that a network learnt: one answer says little of it, `--window` says more."""

from collections.abc import Mapping
from typing import Any

from kinegraph.messages import plain_name

TIMES = 3  # the longest training clip


def window_hint(extra: Mapping[str, Any], name: str, frames: int) -> str | None:
    """A line that names --window, for a clip of so many frames. extra: of the weights, see `models/weights.py`."""
    training = extra.get("training")
    lengths = training.get("frames") if isinstance(training, Mapping) else None
    if not isinstance(lengths, list) or len(lengths) != 3 or not all(type(it) is int and it > 0 for it in lengths):
        return None
    shortest, median, longest = lengths
    if frames <= TIMES * longest:
        return None
    return (
        f"note: clip '{plain_name(name)}' has {frames:,} frames, the network was trained on clips of {shortest:,} to "
        f"{longest:,}; --window {median} says what is done when"
    )
