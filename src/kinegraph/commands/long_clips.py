"""A recording far longer than the clips that a network learnt: one answer says little of it, `--window` says more."""

from collections.abc import Mapping
from typing import Any

from kinegraph.messages import plain_name

TIMES = 3  # the longest training clip


def window_hint(extra: Mapping[str, Any], name: str, frames: int) -> str | None:
    """A line that names --window, for a clip of so many frames. extra: of the weights, see `models/weights.py`."""
    shortest, median, longest = extra.get("training", {}).get("frames", (0, 0, frames))
    if frames <= TIMES * longest:
        return None
    return (
        f"note: clip '{plain_name(name)}' has {frames:,} frames, the network was trained on clips of {shortest:,} to "
        f"{longest:,}; --window {median} says what is done when"
    )
