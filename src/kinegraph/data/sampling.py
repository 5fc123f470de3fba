"""Which frames of a clip the network sees: index rules of the published recipes, and linear resampling.

An index of NO_FRAME stands for a frame of zeros.
"""

import numpy as np
from jaxtyping import Float, Int

PUBLISHED_TEST_SEED = 255  # MMAction2 and PYSKL reseed with it before sampling each test clip
NO_FRAME = -1


def loop_indices(recorded: int, frames: int) -> Int[np.ndarray, "F"]:
    """Play the clip again and again until `frames` are full; a longer clip is cut to its first `frames`.

    Source: MMAction2 0.x PaddingWithLoop.
    """
    return np.arange(frames) % recorded


def pad_indices(recorded: int, frames: int) -> Int[np.ndarray, "F"]:
    """The clip from its start, then zeros until `frames` are full; a longer clip is cut to its first `frames`.

    Source: Yan et al. 2018 (yysijie/st-gcn), "vanilla" recipes of PYSKL.
    """
    return np.where(np.arange(frames) < recorded, np.arange(frames), NO_FRAME)


def window_indices(recorded: int, frames: int, rng: np.random.Generator | None = None) -> Int[np.ndarray, "F"]:
    """`frames` frames in a row from a random place of the clip, without `rng` from its middle; a short clip is padded.

    Source: random_choose of yysijie/st-gcn, which puts a short clip at a random place among the zeros.
    """
    room = max(recorded - frames, 0)
    start = room // 2 if rng is None else int(rng.integers(room + 1))
    return pad_indices(recorded, frames) + start  # a clip that is padded has no room: its start is 0


def sorted_indices(recorded: int, frames: int, rng: np.random.Generator | None = None) -> Int[np.ndarray, "F"]:
    """Any frames in their order, some more than once; without `rng` evenly spread from the first to the last.

    Source: NW-UCLA in Shift-GCN and CTR-GCN, which draw from a hundred copies of each frame.
    """
    if rng is None:
        return np.linspace(0, recorded - 1, frames).astype(np.int64)
    copies = max(100, -(-frames // recorded))
    return np.sort(rng.choice(copies * recorded, frames, replace=False)) // copies


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
    recorded: int, frames: int, clips: int, way: str = "uniform", seed: int = PUBLISHED_TEST_SEED
) -> Int[np.ndarray, "clips F"]:
    """The same rule for testing: `clips` fixed choices of frames, to the index those of MMAction2 1.x.

    way: "uniform_pyskl" are those of PYSKL's UniformSample, which draws a number before each choice, for a part of the
    clip that is always the clip itself. "uniform_random_start" are those of its UniformSampleDecode (DG-STGCN,
    ProtoGCN): it draws that number too, and lets a short clip loop from a random start.
    """
    rng = np.random.RandomState(seed)
    chosen = []
    for clip in range(clips):
        if way != "uniform":
            rng.rand()
        if recorded < frames:
            regular = clip if recorded < clips else clip * recorded // clips
            start = rng.randint(recorded) if way == "uniform_random_start" else regular
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


def bent(share: Float[np.ndarray, "F"], bend: float) -> Float[np.ndarray, "F"]:
    """Moments 0 to 1 of a clip played at a changing speed, from 1 + bend at its start to 1 - bend at its end.

    Both ends and, for |bend| < 1, the order stay.
    """
    return share + bend / np.pi * np.sin(np.pi * share)


def bent_indices(chosen: Int[np.ndarray, "F"], recorded: int, bend: float) -> Int[np.ndarray, "F"]:
    """The same change of speed for chosen frames."""
    moved = np.minimum((bent((chosen + 0.5) / recorded, bend) * recorded).astype(np.int64), recorded - 1)
    return np.where(chosen == NO_FRAME, NO_FRAME, moved)


def needed_frames(
    chosen: Int[np.ndarray, "views F"], recorded: int, following: bool
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "views F"]]:
    """The recorded frames that the chosen ones are made of, in order, and where the chosen ones are among them.

    The first frame is always needed, normalising refers to it. following: the frame after each chosen one too, at once
    behind it, so that motion computed from the needed frames is that of the recording.
    """
    wanted = np.zeros(recorded + 1, bool)  # the entry behind the last frame is NO_FRAME's
    wanted[0] = True
    wanted[chosen] = True
    if following:
        wanted[1:] |= wanted[:-1]
    place = wanted.cumsum()[chosen]
    place -= 1
    place[chosen == NO_FRAME] = NO_FRAME
    return wanted[:recorded].nonzero()[0], place


def take_frames(values: Float[np.ndarray, "M T V C"], chosen: Int[np.ndarray, "F"]) -> Float[np.ndarray, "M F V C"]:
    """The chosen frames, zeros for NO_FRAME."""
    taken = values.take(chosen, axis=1)
    if (empty := chosen == NO_FRAME).any():
        taken[:, empty] = 0
    return taken


def resample(
    values: Float[np.ndarray, "M T V C"], frames: int, start: float = 0.0, stop: float = 1.0, bend: float = 0.0
) -> Float[np.ndarray, "M F V C"]:
    """`frames` moments over the share [start, stop] of the clip, linear between recorded frames.

    They are spread evenly, or with `bend` as `bent` says.
    """
    return between(values, *moments(values.shape[1], frames, start, stop, bend))


def without_gaps(values: Float[np.ndarray, "M T V C"]) -> Float[np.ndarray, "M T V C"]:
    """The frames in which a person is away, between two in which he or she is there, are filled linearly from these.

    Of the joints that both show. Else what lies between a body and nobody would be a body on its way to the origin.
    """
    there = np.asarray(values.any((2, 3)))
    if there.all():
        return values
    filled = values.copy()
    for body, seen in zip(filled, there, strict=True):
        known = seen.nonzero()[0]
        away = (~seen).nonzero()[0]
        after = known.searchsorted(away)
        inside = (after > 0) & (after < len(known))
        before, behind = known[after[inside] - 1], known[after[inside]]
        share = ((away[inside] - before) / (behind - before)).astype(values.dtype)[:, None, None]
        both = body[before].any(-1, keepdims=True) & body[behind].any(-1, keepdims=True)
        body[away[inside]] = (body[before] + share * (body[behind] - body[before])) * both
    return filled


def moments(
    recorded: int, frames: int, start: float = 0.0, stop: float = 1.0, bend: float = 0.0
) -> tuple[Int[np.ndarray, "2 F"], Float[np.ndarray, "F"]]:
    """The recorded frames before and after each moment, and how far it is from the one to the other."""
    last = recorded - 1
    position = np.linspace(start * last, stop * last, frames)
    if bend:
        position = (start + (stop - start) * bent(np.linspace(0, 1, frames), bend)) * last
    before = np.minimum(position.astype(np.int64), max(last - 1, 0))
    return np.stack([before, np.minimum(before + 1, last)]), position - before


def stretched(
    first: int, length: int, frames: int, bend: float = 0.0
) -> tuple[Int[np.ndarray, "2 F"], Float[np.ndarray, "F"]]:
    """The same for `length` frames from `first` on, as pictures are resized: the middles of equal shares.

    Source: CTR-GCN, whose interpolation does not align the ends.
    """
    share = (np.arange(frames) + 0.5) / frames
    position = np.clip(bent(share, bend) * length - 0.5, 0, length - 1)
    before = position.astype(np.int64)
    return first + np.stack([before, np.minimum(before + 1, length - 1)]), position - before


def between(
    values: Float[np.ndarray, "M T V C"], frames: Int[np.ndarray, "2 F"], share: Float[np.ndarray, "F"]
) -> Float[np.ndarray, "M F V C"]:
    """The frames at a share of the way from the first to the second, linear."""
    earlier, mixed = (values.take(row, axis=1) for row in frames)
    mixed -= earlier
    mixed *= share.astype(values.dtype)[:, None, None]
    mixed += earlier
    return mixed
