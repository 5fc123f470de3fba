"""What the actions of the synthetic human are made of: a style for each subject, soft paths, arms, jumps and steps.

Arms go through keys (progress, (wrist, elbow)): wrists are out, up and forward of the shoulder in arm lengths, elbows
the direction they point to. Numbers are by eye, meant to look right; nobody was measured.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from kinegraph.synthetic.human import Motion

HANG = None  # where the arm was when standing


@dataclass(frozen=True)
class Style:
    """How one subject moves; each clip varies it a little."""

    tempo: float  # 1 = usual, larger is slower
    size: float  # of the movements of arms and trunk
    side: int  # the hand they use: 0 left, 1 right
    slouch: float  # radians
    stance: float  # distance of the feet, leg lengths
    carry: float  # how far the arms hang from the body, arm lengths
    restless: float  # of the small movements that mean nothing


def random_style(rng: np.random.Generator) -> Style:
    return Style(
        tempo=float(np.clip(rng.lognormal(0, 0.18), 0.7, 1.5)),
        size=float(np.clip(rng.normal(1, 0.10), 0.75, 1.2)),
        side=int(rng.random() < 0.85),
        slouch=float(rng.uniform(-0.05, 0.14)),
        stance=float(rng.uniform(0.03, 0.16)),
        carry=float(rng.uniform(-0.02, 0.12)),
        restless=float(rng.uniform(0.4, 1.6)),
    )


def at_ease(motion: Motion, style: Style, rng: np.random.Generator) -> Motion:
    """Standing the way this person stands today."""
    motion.spine[:, 0] += style.slouch + rng.normal(0, 0.03)
    motion.head[:, 0] -= 0.5 * style.slouch + rng.normal(0, 0.06)
    motion.ankle[:, :, 0] = style.stance
    motion.ankle[:, :, 2] += rng.normal(0, 0.03, 2)
    motion.wrist[:, :, 0] += style.carry
    motion.wrist[:, :, 1:] += rng.normal(0, [0.015, 0.04], (2, 2))
    return motion


def fidget(motion: Motion, style: Style, rng: np.random.Generator) -> Motion:
    """Sway of the trunk, hands that drift, and now and then a hand or a look that belongs to no action."""
    frames = len(motion.heading)
    t = np.arange(frames) / 30

    def drift(scale, *shape):
        waves = [
            rng.normal(0, 1 / k, shape) * np.sin(2 * np.pi * np.multiply.outer(t, np.full(shape, 0.25 * k)) + phase)
            for k, phase in ((k, rng.uniform(0, 2 * np.pi, shape)) for k in (1, 2, 4))
        ]
        return style.restless * scale * sum(waves)

    motion.spine += drift(0.02, 3)
    motion.head += drift(0.05, 3)
    motion.heading += drift(0.025)
    motion.shift += drift(0.008, 2)
    motion.wrist += drift(0.02, 2, 3)
    if rng.random() < 0.25 * style.restless:
        raised = bump(t / t[-1], rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.25))
        side = 1 - style.side if rng.random() < 0.8 else style.side
        motion.wrist[:, side] += raised[:, None] * rng.uniform([-0.15, 0.05, 0.1], [0.2, 0.45, 0.4])
    if rng.random() < 0.25 * style.restless:
        motion.head[:, 2] += bump(t / t[-1], rng.uniform(0, 1), rng.uniform(0.1, 0.4)) * rng.uniform(-0.6, 0.6)
    return motion


def path(u: Float[np.ndarray, "T"], *keys: tuple[float, float]) -> Float[np.ndarray, "T"]:
    """Through (progress, value) keys, held before the first and after the last, starting and stopping softly."""
    at, values = np.array(keys, dtype=float).T
    at = np.maximum.accumulate(at + np.arange(len(at)) * 1e-9)
    i = np.clip(np.searchsorted(at, u, side="right") - 1, 0, len(at) - 2)
    x = np.clip((u - at[i]) / np.diff(at)[i], 0, 1)
    return values[i] + np.diff(values)[i] * x**3 * (10 - 15 * x + 6 * x**2)  # minimum jerk (Flash and Hogan 1985)


def move_arm(motion: Motion, side: int, u, style: Style, *keys, blend: bool = False) -> None:
    """Take one arm through (progress, (wrist, elbow)) keys; HANG is where it rests. blend: from where it already is."""
    size = style.size**0.5
    rest = motion.wrist[0, side].copy(), motion.elbow[0, side].copy()
    poses = [rest if pose is HANG else pose for _, pose in keys]
    wrists = [rest[0] + size * (np.array(wrist) - rest[0]) for wrist, _ in poses]
    at = [progress for progress, _ in keys]
    wrist = np.stack([path(u, *zip(at, axis, strict=True)) for axis in np.transpose(wrists)], axis=1)
    elbow = np.stack([path(u, *zip(at, axis, strict=True)) for axis in np.transpose([e for _, e in poses])], axis=1)
    for i in range(len(at) - 1):  # a hand goes in front of the shoulder, not through it
        x = path(u, (at[i], 0), (at[i + 1], 1))
        wrist[:, 2] += 4 * x * (1 - x) * max(0.6 - np.linalg.norm(wrists[i] + wrists[i + 1]) / 2, 0)
    share = path(u, (0, 0), (1, 1))[:, None] if blend else 1.0
    motion.wrist[:, side] += share * (wrist - motion.wrist[:, side])
    motion.elbow[:, side] += share * (elbow - motion.elbow[:, side])


def bump(u, middle: float, width: float):
    """A smooth rise to 1 and back around the middle."""
    x = np.clip((u - middle) / width, -1, 1)
    return np.cos(0.5 * np.pi * x) ** 2


def jumps(motion, u, flights, high: float) -> None:
    """Leave the floor on a parabola during each (begin, end) of the progress; toes point down in the air."""
    for begin, end in flights:
        x = np.clip((u - begin) / (end - begin), 0, 1)
        arc = 4 * x * (1 - x)
        motion.lift += high * arc
        motion.toe += 0.7 * np.sqrt(arc)[:, None]


def face_to_face(motions, distance, rng):
    """Put two people that far apart (m, per frame or fixed) and let them face each other."""
    across = rng.normal(0, 0.06)
    for motion, sign in zip(motions, rng.permutation([-1.0, 1.0]), strict=True):
        motion.place[:, 0] += sign * distance / 2
        motion.place[:, 1] += sign * across
        motion.heading += np.arctan2(sign * distance, -2 * sign * across) + rng.normal(0, 0.05)
    return motions


def walk(motion, body, gone) -> None:
    """Steps and swinging arms for someone who has gone that far (m per frame); a planted foot stays where it is."""
    step = 0.75 * body.leg
    speed = np.gradient(gone) * 30
    going = np.clip(np.abs(speed) / 0.5, 0, 1)
    for side in (0, 1):
        phase = (gone / (2 * step) + 0.5 * side) % 1
        stance = phase < 0.5
        forward = np.where(stance, 1 - 4 * phase, -np.cos(2 * np.pi * (phase - 0.5)))
        lift = np.where(stance, 0, np.sin(2 * np.pi * (phase - 0.5)))
        motion.ankle[:, side, 2] += going * forward * 0.5 * step / body.leg
        motion.ankle[:, side, 1] += going * lift * 0.10
        motion.wrist[:, side, 2] -= going * forward * 0.22
        motion.wrist[:, side, 1] += going * np.abs(forward) * 0.04
    motion.height -= 0.03 * going
