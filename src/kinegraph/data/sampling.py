"""Which frames of a clip the network sees: index rules of the published recipes, and linear resampling."""

import numpy as np
from jaxtyping import Float, Int

PUBLISHED_TEST_SEED = 255  # MMAction2 and PYSKL reseed with it before sampling each test clip


def loop_indices(recorded: int, frames: int) -> Int[np.ndarray, "F"]:
    """Play the clip again and again until `frames` are full; a longer clip is cut to its first `frames`.

    Source: MMAction2 0.x PaddingWithLoop.
    """
    return np.arange(frames) % recorded


def uniform_indices(recorded: int, frames: int, rng: np.random.Generator) -> Int[np.ndarray, "F"]:
    """One random frame from each of `frames` equal parts of the clip; a short clip loops from a random start.

    Source: MMAction2 1.x and PYSKL UniformSampleFrames, training mode; our random numbers.
    """
    if recorded < frames:
        return (rng.integers(recorded) + np.arange(frames)) % recorded
    if recorded < 2 * frames:
        skipped = rng.choice(frames + 1, recorded - frames, replace=False)
        return _skip(skipped, frames)
    starts = np.arange(frames + 1) * recorded // frames
    return starts[:-1] + rng.integers(np.diff(starts))


def uniform_test_indices(
    recorded: int, frames: int, clips: int, seed: int = PUBLISHED_TEST_SEED
) -> Int[np.ndarray, "clips F"]:
    """The same rule for testing: `clips` fixed choices of frames, to the index those of MMAction2 1.x and PYSKL."""
    rng = np.random.RandomState(seed)
    chosen = []
    for clip in range(clips):
        if recorded < frames:
            start = clip if recorded < clips else clip * recorded // clips
            chosen.append(start + np.arange(frames))
        elif recorded < 2 * frames:
            chosen.append(_skip(rng.choice(frames + 1, recorded - frames, replace=False), frames))
        else:
            starts = np.arange(frames + 1) * recorded // frames
            chosen.append(starts[:-1] + rng.randint(np.diff(starts)))
    return np.stack(chosen) % recorded


def _skip(skipped: Int[np.ndarray, "S"], frames: int) -> Int[np.ndarray, "F"]:
    """0, 1, 2 ... with one frame left out before each position in `skipped`."""
    jumps = np.zeros(frames + 1, dtype=np.int64)
    jumps[skipped] = 1
    return np.arange(frames) + np.cumsum(jumps)[:-1]


def resample(
    values: Float[np.ndarray, "M T V C"], frames: int, start: float = 0.0, stop: float = 1.0
) -> Float[np.ndarray, "M F V C"]:
    """`frames` moments spread evenly over the share [start, stop] of the clip, linear between recorded frames."""
    last = values.shape[1] - 1
    position = np.linspace(start * last, stop * last, frames)
    before = np.minimum(position.astype(np.int64), max(last - 1, 0))
    after = np.minimum(before + 1, last)
    share = (position - before).astype(values.dtype)[:, None, None]
    return values[:, before] * (1 - share) + values[:, after] * share
