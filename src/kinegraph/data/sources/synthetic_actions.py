"""What the synthetic human can do: actions of NTU RGB+D as tracks of a `Motion`, with a style for each subject.

An action is a function of (people, u, style, rng): it changes the motions in place over its progress u, which runs from
0 to 1 inside the clip. Arms go through keys (progress, wrist, elbow); wrists are out, up and forward of the shoulder in
arm lengths, elbows the direction they point to. Numbers are by eye, meant to look right and not to be confused with
measurements of people.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from kinegraph.data.sources.synthetic_human import Body, Motion, smoothed, still

HANG = None  # where the arm was when standing
SIDEWAYS = ((0.75, 0.25, 0.45), (0.6, -1.0, -0.2))
FOREHEAD = ((-0.10, 0.38, 0.24), (1.0, 0.0, 0.1))
MOUTH = ((-0.20, 0.18, 0.36), (0.6, -1.0, 0.2))
EAR = ((-0.08, 0.27, 0.14), (0.7, -0.8, 0.3))
PALMS = ((-0.28, -0.10, 0.50), (0.6, -1.0, -0.2))
THIGH = ((-0.08, -0.62, 0.42), (0.7, -0.2, -1.0))
FLOOR = ((-0.05, -0.85, 0.45), (0.5, 0.3, -1.0))


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


@dataclass(frozen=True)
class Action:
    """people: 1 or 2. seconds: shortest and longest at the usual tempo, with standing before and after."""

    perform: Callable
    seconds: tuple[float, float]
    people: int = 1


def perform(number: int, bodies: list[Body], styles: list[Style], rng: np.random.Generator) -> list[Motion]:
    """One performance of an action by as many people as it takes, at 30 frames a second; 30 to 150 frames."""
    action = ACTIONS[number]
    style = styles[0]
    seconds = rng.uniform(*action.seconds) * style.tempo * rng.uniform(0.9, 1.1)
    frames = int(np.clip(round(30 * seconds), 30, 150))
    motions = [at_ease(still(frames), person, rng) for person in styles[: action.people]]
    begin, end = rng.uniform(0.02, 0.16), rng.uniform(0.86, 1.0)
    u = np.clip((np.linspace(0, 1, frames) - begin) / (end - begin), 0, 1)
    if rng.random() < 0.07:  # sometimes with the other hand
        style = Style(**{**vars(style), "side": 1 - style.side})
    if action.people == 1:
        action.perform(motions[0], u, style, rng)
        motions[0].place += rng.normal(0, 0.12, 2)
        motions[0].heading += rng.normal(0, 0.15)
    else:
        action.perform(motions, bodies, u, style, rng)
    return [fidget(smoothed(motion, 7), person, rng) for motion, person in zip(motions, styles, strict=False)]


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
        bump = _bump(t / t[-1], rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.25))
        side = 1 - style.side if rng.random() < 0.8 else style.side
        motion.wrist[:, side] += bump[:, None] * rng.uniform([-0.15, 0.05, 0.1], [0.2, 0.45, 0.4])
    if rng.random() < 0.25 * style.restless:
        motion.head[:, 2] += _bump(t / t[-1], rng.uniform(0, 1), rng.uniform(0.1, 0.4)) * rng.uniform(-0.6, 0.6)
    return motion


# --- one person ---------------------------------------------------------------------------------------------------


def drink(motion, u, style, rng):
    top = rng.uniform(0.3, 0.45)
    move_arm(motion, style.side, u, style, (0, HANG), (top, MOUTH), (top + 0.3, MOUTH), (1, HANG))
    motion.head[:, 0] += path(u, (top, 0), (top + 0.1, -rng.uniform(0.15, 0.4)), (top + 0.25, -0.2), (top + 0.35, 0))


def pick_up(motion, u, style, rng):
    deep, both, keep = rng.uniform(0, 1), rng.random() < 0.3, rng.random() < 0.5
    down, up = rng.uniform(0.3, 0.4), rng.uniform(0.7, 0.85)
    low = [(0, 0), (down, 1), (down + 0.12, 1), (up, 0)]
    stoop = path(u, *low) * style.size
    motion.height -= stoop * (0.12 + 0.32 * deep)
    motion.shift[:, 1] -= stoop * (0.10 + 0.10 * deep)
    motion.pelvis[:, 0] += stoop * (0.95 - 0.45 * deep)
    motion.spine[:, 0] += stoop * (0.75 - 0.15 * deep)
    motion.head[:, 0] += stoop * 0.2
    holding = ((-0.05, -0.45, 0.5), (0.4, -1.0, -0.6))
    for side in (0, 1) if both else (style.side,):
        after = holding if keep else HANG
        move_arm(motion, side, u, style, (0, HANG), (down, FLOOR), (down + 0.12, FLOOR), (up, after), (1, after))


def sit_down(motion, u, style, rng):
    _sit(motion, path(u, (0.1, 0), (rng.uniform(0.45, 0.75), 1)), style, rng)


def stand_up(motion, u, style, rng):
    _sit(motion, path(u, (rng.uniform(0.2, 0.45), 1), (0.9, 0)), style, rng)


def _sit(motion, seated, style, rng):
    """seated: 0 standing to 1 on the chair; between, the trunk leans over the feet."""
    lean = np.sin(np.pi * seated) * rng.uniform(0.35, 0.8)
    motion.height += seated * (rng.uniform(0.42, 0.52) - motion.height)
    motion.shift[:, 1] -= seated * rng.uniform(0.42, 0.55)
    motion.pelvis[:, 0] += 0.6 * lean - 0.1 * seated
    motion.spine[:, 0] += lean + rng.uniform(-0.1, 0.25) * seated
    motion.head[:, 0] -= 0.5 * lean
    resting = THIGH if rng.random() < 0.7 else HANG
    for side in (0, 1):
        move_arm(motion, side, seated, style, (0, HANG), (1, resting))


def clap(motion, u, style, rng):
    high = rng.choice([-0.15, 0.05, 0.3]) + rng.normal(0, 0.06)
    together = ((PALMS[0][0], high, 0.48 + rng.normal(0, 0.05)), PALMS[1])
    on = path(u, (0, 0), (0.15, 1), (0.85, 1), (1, 0))
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * u * rng.integers(4, 9))
    for side in (0, 1):
        move_arm(motion, side, on, style, (0, HANG), (1, together))
        motion.wrist[:, side, 0] += on * beat * rng.uniform(0.18, 0.38) * style.size


def cheer_up(motion, u, style, rng):
    on = path(u, (0, 0), (0.22, 1), (0.78, 1), (1, 0))
    pump = np.sin(2 * np.pi * u * rng.integers(2, 5)) * rng.uniform(0.02, 0.18)
    top = ((rng.uniform(0.1, 0.5), rng.uniform(0.6, 0.9), 0.15), (1.0, -0.3, 0.2))
    for side in (0, 1):
        move_arm(motion, side, on, style, (0, HANG), (0.5, SIDEWAYS), (1, top))
        motion.wrist[:, side, 1] += on * pump
    motion.head[:, 0] -= 0.15 * on
    if rng.random() < 0.3:
        _jumps(motion, u, [(0.3, 0.45), (0.5, 0.65)], 0.06)


def wave(motion, u, style, rng):
    on = path(u, (0, 0), (0.22, 1), (0.8, 1), (1, 0))
    up = ((rng.uniform(0.2, 0.5), rng.uniform(0.25, 0.7), rng.uniform(0.15, 0.35)), (0.7, -1.0, -0.1))
    swing = np.sin(2 * np.pi * u * rng.integers(3, 7)) * rng.uniform(0.12, 0.3) * style.size
    move_arm(motion, style.side, on, style, (0, HANG), (0.5, SIDEWAYS), (1, up))
    motion.wrist[:, style.side, 0] += on * swing
    if rng.random() < 0.1:
        move_arm(motion, 1 - style.side, on, style, (0, HANG), (0.5, SIDEWAYS), (1, up))
        motion.wrist[:, 1 - style.side, 0] += on * swing


def kick(motion, u, style, rng):
    _kick(motion, u, style, rng, high=rng.uniform(0.12, 0.5))


def _kick(motion, u, style, rng, high):
    side, hit = style.side, rng.uniform(0.4, 0.55)
    back, after = hit - 0.18, hit + 0.22
    motion.ankle[:, side, 2] += path(u, (0.05, 0), (back, -0.32), (hit, 0.72), (after, -0.05), (after + 0.1, 0))
    motion.ankle[:, side, 1] += path(u, (0.05, 0), (back, 0.16), (hit, high), (after, 0.05), (after + 0.1, 0))
    motion.toe[:, side] += path(u, (back, 0.4), (hit, -0.3), (after, 0))
    motion.pelvis[:, 0] -= path(u, (back, 0), (hit, 0.25), (after, 0)) * style.size
    motion.shift[:, 0] -= (2 * side - 1) * 0.07 * path(u, (0.05, 0), (back, 1), (after, 1), (after + 0.15, 0))
    for arm in (0, 1):
        out = ((0.45, -0.75, 0.15 if arm == side else 0.35), (0.5, 0.0, -1.0))
        move_arm(motion, arm, u, style, (back, HANG), (hit, out), (after, HANG))


def hop(motion, u, style, rng):
    """On one foot; the other is held behind."""
    count = int(rng.integers(2, 6))
    edges = np.linspace(0.12, 0.92, count + 1)
    held = path(u, (0, 0), (0.1, 1), (0.93, 1), (1, 0))
    other = 1 - style.side
    motion.ankle[:, other, 1] += held * rng.uniform(0.2, 0.4)
    motion.ankle[:, other, 2] -= held * rng.uniform(0.05, 0.3)
    motion.toe[:, other] += held * 0.6
    motion.shift[:, 0] += (2 * style.side - 1) * 0.06 * held
    _jumps(motion, u, list(zip(edges[:-1] + 0.02, edges[1:] - 0.02, strict=True)), rng.uniform(0.05, 0.13))
    motion.place[:, 1] -= u * rng.uniform(0, 0.4)
    _arms_out(motion, held, style, rng.uniform(0, 0.5))


def jump_up(motion, u, style, rng):
    count = 1 if rng.random() < 0.7 else 2
    edges = np.linspace(0.25, 0.85, count + 1)
    flights = [(a + 0.03, b - 0.12 / count) for a, b in pairwise(edges)]
    crouch = sum(_bump(u, a - 0.07, 0.13) + 0.7 * _bump(u, b + 0.06, 0.11) for a, b in flights)
    depth = rng.uniform(0.1, 0.28) * style.size
    motion.height -= depth * crouch
    motion.shift[:, 1] -= 0.3 * depth * crouch
    motion.spine[:, 0] += 1.6 * depth * crouch
    _jumps(motion, u, flights, rng.uniform(0.14, 0.34) * style.size)
    swing = rng.uniform(0.2, 1.0)  # of the arms
    first, landed = flights[0][0], flights[-1][1]
    back = ((0.2, -0.85, -0.3), (0.5, 0.3, -1.0))
    up = ((0.2, -0.85 + 1.5 * swing, 0.25 + 0.5 * np.sin(np.pi * swing)), (0.7, -1.0, -0.5))
    for side in (0, 1):
        move_arm(motion, side, u, style, (0.05, HANG), (first - 0.07, back), (first + 0.08, up), (landed + 0.08, HANG))


def phone(motion, u, style, rng):
    top = rng.uniform(0.25, 0.4)
    end = rng.choice([1.0, 0.8])  # many clips end before the hand comes down
    move_arm(motion, style.side, u, style, (0, HANG), (top, EAR), (end, EAR), (end + 0.2, HANG))
    motion.head[:, 1] += (2 * style.side - 1) * path(u, (top - 0.1, 0), (top, rng.uniform(0, 0.3)))


def point(motion, u, style, rng):
    aside, up = rng.uniform(-0.3, 0.8), rng.uniform(-0.15, 0.35)
    length = rng.uniform(0.8, 0.98)
    direction = np.array([aside, up, 1.0]) / np.linalg.norm([aside, up, 1.0]) * length
    goal = (tuple(direction), (0.4, -1.0, 0.0))
    move_arm(motion, style.side, u, style, (0, HANG), (0.3, goal), (rng.uniform(0.6, 0.8), goal), (1, HANG))
    motion.head[:, 2] -= (2 * style.side - 1) * path(u, (0.1, 0), (0.3, 0.5 * aside), (0.7, 0.5 * aside), (1, 0))


def bow(motion, u, style, rng):
    """A nod, a bow, or both: NTU's class A035 holds either."""
    if rng.random() < 0.4:
        nods = np.maximum(np.sin(2 * np.pi * u * rng.integers(1, 4)), -0.3)
        motion.head[:, 0] += path(u, (0, 0), (0.1, 1), (0.9, 1), (1, 0)) * nods * rng.uniform(0.3, 0.6)
        motion.spine[:, 0] += 0.1 * np.maximum(nods, 0)
        return
    down = path(u, (0.05, 0), (rng.uniform(0.35, 0.45), 1), (rng.uniform(0.5, 0.65), 1), (1, 0)) * style.size
    motion.pelvis[:, 0] += down * rng.uniform(0.2, 0.7)
    motion.spine[:, 0] += down * rng.uniform(0.2, 0.5)
    motion.head[:, 0] += down * rng.uniform(0.1, 0.4)
    motion.shift[:, 1] -= down * 0.08
    motion.follow += 0.5 * down
    if rng.random() < 0.4:
        for side in (0, 1):
            move_arm(motion, side, down, style, (0, HANG), (1, THIGH))


def salute(motion, u, style, rng):
    top = rng.uniform(0.2, 0.4)
    hold = rng.uniform(0.2, 0.45)
    move_arm(motion, style.side, u, style, (0, HANG), (top, FOREHEAD), (top + hold, FOREHEAD), (top + hold + 0.2, HANG))
    motion.spine[:, 0] -= 0.06 * path(u, (0, 0), (top, 1), (top + hold, 1), (1, 0))


def fall(motion, u, style, rng):
    """Backwards, forwards or to the side; it ends lying on the floor, feet where they stood."""
    knees, ground = rng.uniform(0.35, 0.5), rng.uniform(0.6, 0.75)
    down, flat = path(u, (0.1, 0), (knees, 0.5), (ground, 1)), path(u, (knees - 0.1, 0), (ground, 1))
    motion.height += down * (rng.uniform(0.10, 0.16) - motion.height)
    way = rng.choice(["back", "front", "side"])
    left_or_right = rng.choice([-1, 1])
    if way == "back":
        motion.shift[:, 1] -= np.maximum(down, flat) * rng.uniform(0.55, 0.8)
        motion.pelvis[:, 0] -= flat * rng.uniform(1.3, 1.5)
        motion.head[:, 0] += flat * 0.3
    elif way == "front":
        motion.shift[:, 1] += flat * rng.uniform(0.92, 0.97)
        motion.pelvis[:, 0] += flat * rng.uniform(1.35, 1.5)
        motion.head[:, 0] -= flat * 0.3
    else:
        motion.shift[:, 0] += left_or_right * flat * rng.uniform(0.5, 0.8)
        motion.pelvis[:, 1] += left_or_right * flat * rng.uniform(1.2, 1.45)
        motion.shift[:, 1] -= down * 0.15
    motion.follow += 0.75 * flat
    guard = {"back": (0.6, -0.55, -0.1), "front": (0.4, 0.65, 0.0), "side": (0.3, -0.5, 0.5)}[way]
    for side in (0, 1):
        move_arm(motion, side, u, style, (0.15, HANG), (knees, ((0.5, -0.3, 0.5), (0.6, -1, -0.3))))
        move_arm(motion, side, flat, style, (0, HANG), (1, (guard, (0.8, -0.3, -0.5))), blend=True)


# --- two people: the first acts, they face each other along the room's x axis ----------------------------------------


def punch(motions, bodies, u, style, rng):
    distance = rng.uniform(0.62, 0.85)
    actor, other = _face_to_face(motions, distance, rng)
    hit = rng.uniform(0.35, 0.5)
    reach = min((distance - 0.12) / bodies[0].arm, 0.97)
    if rng.random() < 0.5:  # a slap swings in from the side
        ready = ((0.7, 0.2, 0.1), (0.5, -1.0, -0.5))
    else:
        ready = ((0.1, -0.05, 0.15), (0.4, -0.6, -1.0))
    fist = ((-0.3, rng.uniform(0.1, 0.35), reach), (0.6, -0.8, 0.0))
    move_arm(actor, style.side, u, style, (0, HANG), (hit - 0.15, ready), (hit, fist), (hit + 0.12, ready), (1, HANG))
    actor.spine[:, 2] += (2 * style.side - 1) * path(u, (hit - 0.15, -0.3), (hit, 0.4), (hit + 0.25, 0))
    back = path(u, (hit - 0.03, 0), (hit + 0.1, 1), (1, 0.2)) * rng.uniform(0.4, 1.2)
    other.spine[:, 0] -= 0.25 * back
    other.head[:, 2] += 0.5 * back * rng.choice([-1, 1])
    other.shift[:, 1] -= 0.08 * back


def hug(motions, bodies, u, style, rng):
    apart, close = rng.uniform(0.7, 1.2), rng.uniform(0.26, 0.36)
    meet, part = rng.uniform(0.3, 0.42), rng.uniform(0.72, 0.85)
    distance = path(u, (0, apart), (meet, close), (part, close), (1.1, apart))
    on = path(u, (0.1, 0), (meet, 1), (part, 1), (1.05, 0))
    _face_to_face(motions, distance, rng)
    for motion, body in zip(motions, bodies, strict=True):
        _walk(motion, body, np.full_like(u, apart) / 2 - distance / 2)
        high = rng.uniform(-0.3, 0.1)
        around = ((-0.18, high, min((close + 0.12) / body.arm, 0.9)), (1.0, -0.3, 0.0))
        for side in (0, 1):
            move_arm(motion, side, on, style, (0, HANG), (0.6, ((0.4, high, 0.6), (0.7, -0.8, -0.3))), (1, around))
        motion.spine[:, 0] += 0.12 * on
        motion.head[:, 1] += 0.25 * on


def shake_hands(motions, bodies, u, style, rng):
    distance = rng.uniform(0.75, 1.0)
    _face_to_face(motions, distance, rng)
    start, end = rng.uniform(0.2, 0.35), rng.uniform(0.7, 0.85)
    shake = np.sin(2 * np.pi * u * rng.integers(3, 7)) * rng.uniform(0.03, 0.12)
    shake *= path(u, (start, 0), (start + 0.08, 1), (end - 0.05, 1), (end, 0))
    high = np.mean([body.shoulder_height for body in bodies]) - rng.uniform(0.18, 0.34)
    for motion, body in zip(motions, bodies, strict=True):
        forward = min((distance / 2 - 0.06) / body.arm, 0.9)
        hand = ((-0.25, (high - body.shoulder_height) / body.arm, forward), (0.5, -1.0, -0.6))
        move_arm(motion, 1, u, style, (0.05, HANG), (start, hand), (end, hand), (1, HANG))  # by custom the right hand
        motion.wrist[:, 1, 1] += shake
        motion.spine[:, 0] += path(u, (0.05, 0), (start, 1), (end, 1), (1, 0)) * rng.uniform(0, 0.2)


def walk_together(motions, bodies, u, style, rng):
    far, near = rng.uniform(1.6, 2.4), rng.uniform(0.6, 0.9)
    done = path(u, (0, 0), (rng.uniform(0.8, 1.0), 1))
    distance = far + (near - far) * done
    _face_to_face(motions, distance, rng)
    for motion, body in zip(motions, bodies, strict=True):
        _walk(motion, body, (far - distance) / 2)


def walk_apart(motions, bodies, u, style, rng):
    near, far = rng.uniform(0.6, 0.9), rng.uniform(1.6, 2.4)
    turned = rng.uniform(0.15, 0.3)
    done = path(u, (turned - 0.1, 0), (1, 1))
    distance = near + (far - near) * done
    _face_to_face(motions, distance, rng)
    for motion, body in zip(motions, bodies, strict=True):
        motion.heading += path(u, (0, 0), (turned, np.pi)) * rng.choice([-1, 1])
        _walk(motion, body, (distance - near) / 2)


ACTIONS = {
    1: Action(drink, (2.2, 3.8)),
    6: Action(pick_up, (1.8, 3.2)),
    8: Action(sit_down, (1.6, 3.0)),
    9: Action(stand_up, (1.5, 2.8)),
    10: Action(clap, (1.6, 3.0)),
    22: Action(cheer_up, (1.8, 3.4)),
    23: Action(wave, (1.8, 3.2)),
    24: Action(kick, (1.6, 2.6)),
    26: Action(hop, (1.4, 2.8)),
    27: Action(jump_up, (1.6, 2.4)),
    28: Action(phone, (2.2, 3.8)),
    31: Action(point, (1.6, 2.8)),
    35: Action(bow, (1.6, 2.8)),
    38: Action(salute, (1.6, 3.0)),
    43: Action(fall, (1.8, 3.0)),
    50: Action(punch, (1.6, 2.6), people=2),
    55: Action(hug, (2.0, 3.4), people=2),
    58: Action(shake_hands, (2.0, 3.4), people=2),
    59: Action(walk_together, (1.8, 3.0), people=2),
    60: Action(walk_apart, (1.8, 3.0), people=2),
}


# --- what several actions do ----------------------------------------------------------------------------------------


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


def _bump(u, middle: float, width: float):
    """A smooth rise to 1 and back around the middle."""
    x = np.clip((u - middle) / width, -1, 1)
    return np.cos(0.5 * np.pi * x) ** 2


def _jumps(motion, u, flights, high: float) -> None:
    """Leave the floor on a parabola during each (begin, end) of the progress; toes point down in the air."""
    for begin, end in flights:
        x = np.clip((u - begin) / (end - begin), 0, 1)
        arc = 4 * x * (1 - x)
        motion.lift += high * arc
        motion.toe += 0.7 * np.sqrt(arc)[:, None]


def _arms_out(motion, on, style, much: float) -> None:
    for side in (0, 1):
        move_arm(motion, side, on * much, style, (0, HANG), (1, ((0.8, -0.3, 0.2), (0.3, -0.3, -1.0))))


def _face_to_face(motions, distance, rng):
    """Put two people that far apart (m, per frame or fixed) and let them face each other."""
    across = rng.normal(0, 0.08)
    for motion, sign in zip(motions, rng.permutation([-1.0, 1.0]), strict=True):
        motion.place[:, 0] += sign * distance / 2
        motion.place[:, 1] += sign * across
        motion.heading += sign * np.pi / 2 + rng.normal(0, 0.1)
    return motions


def _walk(motion, body, gone) -> None:
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
