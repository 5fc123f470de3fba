"""The synthetic human: a body with bone lengths, a movement in the body's own terms, and the 25 joints they make.

Axes of a body: x to its own right, y up, z to its back; so it looks along -z. The room has the same axes for a person
who faces the middle camera. Sides are 0 = left, 1 = right; "out" is away from the middle of the body on either side.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float

from kinegraph.skeleton.layout import load_layout

JOINT = {name: i for i, name in enumerate(load_layout("ntu25").joints)}
SIDES = ((0, "left", -1.0), (1, "right", 1.0))
ELBOW_RANGE = (np.deg2rad(4), np.deg2rad(148))  # flexion: 0 is a straight limb
KNEE_RANGE = (np.deg2rad(2), np.deg2rad(150))
BEND_RANGE = np.deg2rad([[-30, 75], [-35, 35], [-45, 45]])  # spine: forward, to the right, twist to the left
HEAD_RANGE = np.deg2rad([[-45, 50], [-35, 35], [-75, 75]])


@dataclass(frozen=True)
class Body:
    """Lengths in metres between the joints that Kinect v2 reports."""

    spine_lower: float
    spine_upper: float
    neck: float
    head: float
    shoulder: float  # from the spine to one shoulder joint
    shoulder_drop: float
    upper_arm: float
    forearm: float
    hand: float  # wrist to palm; as far again to the finger tips
    hip: float
    hip_drop: float
    thigh: float
    shin: float
    foot: float
    ankle: float  # height of the ankle above the floor

    @property
    def arm(self) -> float:
        return self.upper_arm + self.forearm

    @property
    def leg(self) -> float:
        return self.thigh + self.shin

    @property
    def shoulder_height(self) -> float:
        """Of someone who stands upright."""
        legs = self.ankle + self.leg + self.hip_drop
        return legs + self.spine_lower + self.spine_upper - self.shoulder_drop


def random_body(rng: np.random.Generator) -> Body:
    """Someone between 1.50 m and 1.95 m, each bone a few percent off the mean of its share of the height.

    Shares after Drillis and Contini 1966 (in Winter, Biomechanics and Motor Control of Human Movement), moved to where
    Kinect puts its joints.
    """
    height = float(np.clip(rng.normal(1.71, 0.09), 1.50, 1.95))
    share = {
        "spine_lower": 0.165,
        "spine_upper": 0.122,
        "neck": 0.045,
        "head": 0.075,
        "shoulder": 0.106,
        "shoulder_drop": 0.022,
        "upper_arm": 0.168,
        "forearm": 0.148,
        "hand": 0.045,
        "hip": 0.048,
        "hip_drop": 0.022,
        "thigh": 0.240,
        "shin": 0.238,
        "foot": 0.070,
        "ankle": 0.042,
    }
    return Body(**{part: height * x * float(np.clip(rng.normal(1, 0.035), 0.92, 1.08)) for part, x in share.items()})


@dataclass
class Motion:
    """What one person does, frame by frame; every array is changed in place by the actions.

    place: right and forward of the middle of the room (m); heading: radians to the left of facing the middle camera.
    shift: of the hips against the place, in leg lengths to the person's right and forward. height: of the hips above
    the feet, 1 = upright. lift: of the whole body off the floor (m). pelvis, spine, head: angles forward, to the right
    and turned to the left (radians; spine and head on top of what carries them).
    wrist: out, up and forward of the shoulder in arm lengths; elbow: the direction it points to, same axes.
    ankle: out, up and forward of where it stands, in leg lengths; toe: radians that the toes point down.
    follow: how far the arms lean with the chest (0 = they hang with gravity).
    """

    place: Float[np.ndarray, "T 2"]
    heading: Float[np.ndarray, "T"]
    shift: Float[np.ndarray, "T 2"]
    height: Float[np.ndarray, "T"]
    lift: Float[np.ndarray, "T"]
    pelvis: Float[np.ndarray, "T 3"]
    spine: Float[np.ndarray, "T 3"]
    head: Float[np.ndarray, "T 3"]
    wrist: Float[np.ndarray, "T 2 3"]
    elbow: Float[np.ndarray, "T 2 3"]
    ankle: Float[np.ndarray, "T 2 3"]
    toe: Float[np.ndarray, "T 2"]
    follow: Float[np.ndarray, "T"]


def still(frames: int) -> Motion:
    """Standing upright at the middle of the room, arms hanging, facing the middle camera."""
    arm, elbow = np.array([0.14, -0.94, 0.06]), np.array([0.5, 0.0, -1.0])
    return Motion(
        place=np.zeros((frames, 2)),
        heading=np.zeros(frames),
        shift=np.zeros((frames, 2)),
        height=np.full(frames, 0.985),
        lift=np.zeros(frames),
        pelvis=np.zeros((frames, 3)),
        spine=np.zeros((frames, 3)),
        head=np.zeros((frames, 3)),
        wrist=np.tile(arm, (frames, 2, 1)),
        elbow=np.tile(elbow, (frames, 2, 1)),
        ankle=np.tile([0.08, 0.0, 0.0], (frames, 2, 1)),
        toe=np.zeros((frames, 2)),
        follow=np.full(frames, 0.25),
    )


def smoothed(motion: Motion, width: int) -> Motion:
    """The same movement without corners: every track is averaged over `width` frames (odd) under a Hann window."""
    window = np.hanning(width + 2)[1:-1]
    window /= window.sum()

    def smooth(track):
        flat = track.reshape(len(track), -1)
        padded = np.pad(flat, ((width // 2, width // 2), (0, 0)), mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)  # (T, tracks, width)
        return (views @ window).reshape(track.shape)

    return Motion(**{field.name: smooth(getattr(motion, field.name)) for field in fields(Motion)})


def joints_of(body: Body, motion: Motion) -> Float[np.ndarray, "T 25 3"]:
    """The joints in room coordinates (m, the floor is y = 0). Bone lengths are the body's in every frame.

    The trunk is turned joint by joint; arms and legs are solved from where wrist and ankle should be, within the
    elbow's and knee's range, so that hands meet what they reach for and feet stay on the floor.
    """
    out = np.zeros((len(motion.heading), 25, 3))
    facing = _turn(motion.heading)
    pelvis = facing @ _tilt(motion.pelvis)
    spine = np.clip(motion.spine, *BEND_RANGE.T)
    chest = pelvis @ _tilt(spine)
    head = chest @ _tilt(np.clip(motion.head, *HEAD_RANGE.T))

    floor = np.stack([motion.place[:, 0], motion.lift, -motion.place[:, 1]], axis=1)
    hips = np.stack([motion.shift[:, 0], motion.height, -motion.shift[:, 1]], axis=1) * body.leg
    base = floor + _apply(facing, hips) + [0, body.ankle + body.hip_drop, 0]
    out[:, JOINT["spine_base"]] = base
    out[:, JOINT["spine_mid"]] = mid = base + _along(pelvis @ _tilt(0.4 * spine), body.spine_lower)
    out[:, JOINT["spine_shoulder"]] = top = mid + _along(chest, body.spine_upper)
    out[:, JOINT["neck"]] = neck = top + _along(chest @ _tilt(0.3 * motion.head), body.neck)
    out[:, JOINT["head"]] = neck + _along(head, body.head)

    lean = motion.follow[:, None] * (motion.pelvis + spine)
    lean[:, 2] = spine[:, 2]
    arms = facing @ _tilt(lean)
    for side, name, sign in SIDES:
        shoulder = top + _apply(chest, [sign * body.shoulder, -body.shoulder_drop, 0])
        _place_arm(out, name, sign, body, shoulder, arms, motion.wrist[:, side], motion.elbow[:, side])
        hip = base + _apply(pelvis, [sign * body.hip, -body.hip_drop, 0])
        _place_leg(out, name, sign, body, hip, floor, facing, pelvis, motion.ankle[:, side], motion.toe[:, side])
    sunk = np.maximum(0.02 - out[:, :, 1].min(axis=1), 0)  # nobody goes through the floor
    out[:, :, 1] += sunk[:, None]
    return out


def _place_arm(out, name, sign, body, shoulder, frame, wrist, elbow) -> None:
    target = shoulder + body.arm * _apply(frame, _outward(wrist, sign))
    hint = _apply(frame, _outward(elbow, sign))
    bend, end = _two_bones(shoulder, target, hint, body.upper_arm, body.forearm, ELBOW_RANGE)
    along = _unit(end - bend)
    # The thumb lies on the side of the palm that faces forward when the arm hangs.
    thumb = _unit(np.cross(along, _unit(np.cross(_apply(frame, [0.3 * sign, 0.2, -1.0]), along))))
    out[:, JOINT[f"{name}_shoulder"]] = shoulder
    out[:, JOINT[f"{name}_elbow"]] = bend
    out[:, JOINT[f"{name}_wrist"]] = end
    out[:, JOINT[f"{name}_hand"]] = palm = end + body.hand * along
    out[:, JOINT[f"{name}_hand_tip"]] = palm + body.hand * along
    out[:, JOINT[f"{name}_thumb"]] = palm - body.hand * (0.8 * thumb - 0.3 * along)


def _place_leg(out, name, sign, body, hip, floor, facing, pelvis, ankle, toe) -> None:
    foot_place = _outward(ankle, sign) * body.leg + [sign * body.hip, body.ankle, 0]
    target = floor + _apply(facing, foot_place)
    hint = _apply(pelvis, [0.15 * sign, 0.2, -1.0])  # knees bend forward and a little out
    knee, end = _two_bones(hip, target, hint, body.thigh, body.shin, KNEE_RANGE)
    angle = toe + np.arcsin(0.35)  # standing, the foot joint lies a little lower than the ankle
    direction = np.stack([np.full_like(angle, 0.2 * sign), -np.sin(angle), -np.cos(angle)], axis=1)
    out[:, JOINT[f"{name}_hip"]] = hip
    out[:, JOINT[f"{name}_knee"]] = knee
    out[:, JOINT[f"{name}_ankle"]] = end
    out[:, JOINT[f"{name}_foot"]] = end + body.foot * _apply(facing, _unit(direction))


def _two_bones(start, target, hint, first: float, second: float, flexion):
    """Middle and end of a limb of two bones that reaches for the target as far as its joint bends."""
    nearest, farthest = (np.sqrt(first**2 + second**2 + 2 * first * second * np.cos(a)) for a in flexion[::-1])
    distance = np.linalg.norm(target - start, axis=1, keepdims=True)
    along = (target - start) / np.maximum(distance, 1e-6)
    distance = np.clip(distance, nearest, farthest)
    aside = _unit(hint - (hint * along).sum(axis=1, keepdims=True) * along)
    reach = (first**2 - second**2 + distance**2) / (2 * distance)
    middle = start + reach * along + np.sqrt(np.maximum(first**2 - reach**2, 0)) * aside
    return middle, start + distance * along


def _turn(heading: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T 3 3"]:
    return _tilt(np.stack([np.zeros_like(heading), np.zeros_like(heading), heading], axis=1))


def _tilt(angles: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 3 3"]:
    """Rotation that bends forward, then leans to the right, then turns to the left."""
    (a, b, c), (sa, sb, sc) = np.cos(angles).T, np.sin(angles).T
    zero, one = np.zeros_like(a), np.ones_like(a)
    forward = np.array([[one, zero, zero], [zero, a, sa], [zero, -sa, a]])
    right = np.array([[b, sb, zero], [-sb, b, zero], [zero, zero, one]])
    left = np.array([[c, zero, sc], [zero, one, zero], [-sc, zero, c]])
    return np.einsum("ijt,jkt,klt->til", left, right, forward)


def _apply(rotation, vector):
    return np.einsum("tij,tj->ti", rotation, np.broadcast_to(vector, (len(rotation), 3)))


def _along(rotation, length: float):
    return length * rotation[:, :, 1]


def _outward(track, sign: float):
    """(out, up, forward) of one side -> body axes."""
    return track * [sign, 1.0, -1.0]


def _unit(vector):
    return vector / np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-9)
