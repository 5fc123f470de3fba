"""What the synthetic human can do: actions of NTU RGB+D as tracks of a `Motion`.

An action of one person is a function of (motion, u, style, rng), of two of (motions, bodies, u, style, rng). It changes
the motions in place over its progress u, which runs from 0 to 1 inside the clip.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from kinegraph.synthetic.human import Body, Motion, smoothed, still
from kinegraph.synthetic.moves import HANG, Style, at_ease, bump, face_to_face, fidget, jumps, move_arm, path, walk

SIDEWAYS = ((0.75, 0.25, 0.45), (0.6, -1.0, -0.2))
FOREHEAD = ((-0.10, 0.38, 0.24), (1.0, 0.0, 0.1))
MOUTH = ((-0.20, 0.18, 0.36), (0.6, -1.0, 0.2))
EAR = ((-0.08, 0.27, 0.14), (0.7, -0.8, 0.3))
PALMS = ((-0.28, -0.10, 0.50), (0.6, -1.0, -0.2))
THIGH = ((-0.08, -0.62, 0.42), (0.7, -0.2, -1.0))
FLOOR = ((-0.05, -0.85, 0.45), (0.5, 0.3, -1.0))


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
        style = replace(style, side=1 - style.side)
    if action.people == 1:
        action.perform(motions[0], u, style, rng)
        motions[0].place += rng.normal(0, 0.12, 2)
        motions[0].heading += rng.normal(0, 0.15)
    else:
        action.perform(motions, bodies, u, style, rng)
    return [fidget(smoothed(motion, 7), person, rng) for motion, person in zip(motions, styles, strict=False)]


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
        jumps(motion, u, [(0.3, 0.45), (0.5, 0.65)], 0.06)


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
    motion.ankle[:, other, 1] += held * rng.uniform(0.25, 0.5)
    motion.ankle[:, other, 2] -= held * rng.uniform(0.1, 0.4)
    motion.toe[:, other] += held * 0.6
    motion.shift[:, 0] += (2 * style.side - 1) * 0.06 * held
    jumps(motion, u, [(a + 0.02, b - 0.02) for a, b in pairwise(edges)], rng.uniform(0.06, 0.16))
    landing = sum(bump(u, edge, 0.5 * (edges[1] - edges[0])) for edge in edges)
    motion.height -= rng.uniform(0.03, 0.09) * landing
    motion.place[:, 1] -= u * rng.uniform(0, 0.4)
    swing = rng.uniform(0.05, 0.3)
    for side in (0, 1):
        out = ((rng.uniform(0.2, 0.7), -0.5, 0.25), (0.3, -0.3, -1.0))
        move_arm(motion, side, held, style, (0, HANG), (1, out))
        motion.wrist[:, side, 1] -= held * swing * (landing - 0.5)


def jump_up(motion, u, style, rng):
    count = 1 if rng.random() < 0.7 else 2
    edges = np.linspace(0.25, 0.85, count + 1)
    flights = [(a + 0.03, b - 0.12 / count) for a, b in pairwise(edges)]
    crouch = sum(bump(u, a - 0.07, 0.13) + 0.7 * bump(u, b + 0.06, 0.11) for a, b in flights)
    depth = rng.uniform(0.1, 0.28) * style.size
    motion.height -= depth * crouch
    motion.shift[:, 1] -= 0.3 * depth * crouch
    motion.spine[:, 0] += 1.6 * depth * crouch
    jumps(motion, u, flights, rng.uniform(0.14, 0.34) * style.size)
    swing = rng.uniform(0.2, 1.0)  # of the arms
    first, landed = flights[0][0], flights[-1][1]
    back = ((0.2, -0.85, -0.3), (0.5, 0.3, -1.0))
    up = ((0.2, -0.85 + 1.5 * swing, 0.25 + 0.5 * np.sin(np.pi * swing)), (0.7, -1.0, -0.5))
    for side in (0, 1):
        move_arm(motion, side, u, style, (0.05, HANG), (first - 0.07, back), (first + 0.08, up), (landed + 0.08, HANG))


def phone(motion, u, style, rng):
    top = rng.uniform(0.25, 0.4)
    end = rng.choice([1.0, 1.0, 0.8])  # most clips end before the hand comes down
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
    guard = {"back": (0.6, -0.55, 0.05), "front": (0.4, 0.65, 0.0), "side": (-0.05, -0.4, 0.6)}[way]
    for side in (0, 1):
        move_arm(motion, side, u, style, (0.15, HANG), (knees, ((0.5, -0.3, 0.5), (0.6, -1, -0.3))))
        move_arm(motion, side, flat, style, (0, HANG), (1, (guard, (0.8, -0.3, -0.5))), blend=True)


# --- two people: the first acts, they face each other along the room's x axis ----------------------------------------


def punch(motions, bodies, u, style, rng):
    distance = rng.uniform(0.62, 0.85)
    actor, other = face_to_face(motions, distance, rng)
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
    face_to_face(motions, distance, rng)
    for motion, body in zip(motions, bodies, strict=True):
        walk(motion, body, np.full_like(u, apart) / 2 - distance / 2)
        high = rng.uniform(-0.3, 0.1)
        around = ((-0.18, high, min((close + 0.12) / body.arm, 0.9)), (1.0, -0.3, 0.0))
        for side in (0, 1):
            move_arm(motion, side, on, style, (0, HANG), (0.6, ((0.4, high, 0.6), (0.7, -0.8, -0.3))), (1, around))
        motion.spine[:, 0] += 0.12 * on
        motion.head[:, 1] += 0.25 * on


def shake_hands(motions, bodies, u, style, rng):
    distance = rng.uniform(0.75, 1.0)
    face_to_face(motions, distance, rng)
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
    face_to_face(motions, distance, rng)
    for motion, body in zip(motions, bodies, strict=True):
        walk(motion, body, (far - distance) / 2)


def walk_apart(motions, bodies, u, style, rng):
    near, far = rng.uniform(0.6, 0.9), rng.uniform(1.6, 2.4)
    turned = rng.uniform(0.15, 0.3)
    done = path(u, (turned - 0.1, 0), (1, 1))
    distance = near + (far - near) * done
    face_to_face(motions, distance, rng)
    for motion, body in zip(motions, bodies, strict=True):
        motion.heading += path(u, (0, 0), (turned, np.pi)) * rng.choice([-1, 1])
        walk(motion, body, (distance - near) / 2)


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
