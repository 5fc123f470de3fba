"""The lengths of time of a stream in frames: as given, or as they follow from the training."""

from dataclasses import dataclass
from typing import Any

from kinegraph.data.preprocessing import CHOOSING
from kinegraph.inference.timeline import frames_of
from kinegraph.inference.trained_network import Asked

RATE = 1.2  # times the frame rate of the training, from which a stream is said to have another one
USUAL_RATE = 30.0


@dataclass(frozen=True)
class Lengths:
    """In frames. window: that an answer rests on, None for all; least: that the first answer needs; stride: from one
    answer of the window engine to the next; gap: without a person after which he or she begins anew."""

    window: int | None
    least: int
    stride: int
    gap: int
    notes: tuple[str, ...] = ()


def lengths_of(
    asked: Asked,
    *,
    fps: float | None,
    window: int | str | None,
    stride: int | str | None,
    gap: int | str | None,
    exact: bool,
) -> Lengths:
    """The lengths of a stream.

    Raises ValueError for what is no length of time, and where neither option nor weights say the window.
    """
    clips = _three(asked.training.get("frames"))
    trained = asked.trained.fps[1] if asked.trained.fps else None
    rate = fps / trained if fps and trained else 1.0
    notes: list[str] = []
    if trained and fps and not 1 / RATE < rate < RATE and exact:
        notes.append(
            f"{fps:g} frames a second, the network was trained at {trained:g}: movements look faster or slower"
        )
    if exact and stride is not None:
        notes.append("stride is left out: the exact engine answers at every moment that is complete")
    if fps is None:
        notes.append(f"fps is not given, taken as {trained or USUAL_RATE:g}")
    second = fps or trained or USUAL_RATE
    if window == "start" and not exact:
        raise ValueError("window 'start' is for the exact engine; give frames, or seconds such as 3s")
    if window is None:
        chosen, note = _of_training(asked, clips, rate)
        notes.append(note)
    else:
        chosen = None if window == "start" else frames_of(window, second)
    least = round(clips[0] * rate) if clips else chosen or 1
    return Lengths(
        chosen,
        max(1, min(least, chosen or least)),
        max(1, round(second / 10)) if stride is None else frames_of(stride, second),
        max(1, round(second)) if gap is None else frames_of(gap, second),
        tuple(notes),
    )


def _of_training(asked: Asked, clips: tuple[int, int, int] | None, rate: float) -> tuple[int, str]:
    """The window that training clips had, and the line that says so."""
    if clips:
        frames = max(1, round(clips[1] * rate))
        return frames, f"window {frames} frames, the median length of training clips"
    steps = asked.preprocessing
    if steps.sampling in ("resample", "stretch", *CHOOSING):
        raise ValueError(
            "the weights do not say how long their training clips were: give window, frames or seconds such as 3s"
        )
    frames = steps.test_frames or steps.frames
    return frames, f"window {frames} frames, those that the network saw of a training clip"


def _three(content: Any) -> tuple[int, int, int] | None:
    fits = isinstance(content, list | tuple) and len(content) == 3
    return tuple(content) if fits and all(type(length) is int and 0 < length < 10**7 for length in content) else None
