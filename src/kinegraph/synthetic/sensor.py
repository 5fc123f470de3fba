"""What a Kinect v2 would make of the synthetic human: viewpoint, noise, lost frames and bodies that are not there.

The camera's frame is Kinect's: metres, z away from the camera, y up, x to the right of its (mirrored) picture, so that
someone who faces the camera has their right side at larger x. Noise and fault rates are by eye, not measured.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.data.formats.ntu import FIRST_ID
from kinegraph.skeleton.layout import load_layout
from kinegraph.synthetic.human import JOINT

# Three cameras at one height, around the place where the actor stands; each setup has its own height and distance (m),
# in the range that Shahroudy et al. 2016 give for theirs.
CAMERA_ANGLE = {1: 0.0, 2: -np.pi / 4, 3: np.pi / 4}
CAMERA_HEIGHT = (1.7, 1.7, 1.4, 1.2, 1.2, 0.8, 0.6, 1.4, 0.8, 1.8, 1.9, 2.0, 2.1, 2.2, 2.3, 2.5, 2.4)
CAMERA_DISTANCE = (3.5, 2.6, 2.5, 3.0, 3.1, 3.5, 3.9, 3.4, 2.4, 3.0, 2.9, 3.0, 3.2, 3.0, 3.5, 3.6, 3.1)

JITTER = np.full(25, 0.005)  # metres at 2.5 m
for _part, _metres in (("wrist", 0.009), ("hand", 0.013), ("hand_tip", 0.022), ("thumb", 0.022), ("elbow", 0.007)):
    JITTER[[JOINT[f"left_{_part}"], JOINT[f"right_{_part}"]]] = _metres
for _part, _metres in (("knee", 0.007), ("ankle", 0.010), ("foot", 0.016)):
    JITTER[[JOINT[f"left_{_part}"], JOINT[f"right_{_part}"]]] = _metres
LIMBS = np.array([JOINT[name] for name in JOINT if name.startswith(("left", "right"))])

LOST_FRAMES = 0.06  # share of clips with a gap without any body
NEW_ID = 0.5  # share of those gaps after which the tracker takes the person for somebody new
GHOSTS = 0.10  # share of clips with a body that is no person
SWAPS = 0.25  # share of clips with two people whose order in the file changes
LATE_PERSON = 0.25  # share of clips with two people whose second is found late


@dataclass(frozen=True, eq=False)
class Track:
    """One tracking id: the frames it is in, its joints in the camera's frame (m), Kinect's tracking states (1, 2)."""

    body_id: int
    frames: Int[np.ndarray, "F"]
    joints: Float[np.ndarray, "F 25 3"]
    state: Int[np.ndarray, "F 25"]


@dataclass(frozen=True, eq=False)
class Recording:
    """length: in frames; a frame may hold no body. reversed_order: frames that list the bodies last to first."""

    length: int
    tracks: list[Track]
    reversed_order: Bool[np.ndarray, "T"]


def record(people: list[Float[np.ndarray, "T 25 3"]], setup: int, camera: int, rng: np.random.Generator) -> Recording:
    """People in the room as one of the three cameras of a setup reports them."""
    seen = [from_camera(person, setup, camera) for person in people]
    length = len(seen[0])
    roll = rng.normal(0, 0.012)
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    seen = [person @ tilt.T + rng.normal(0, 0.03, 3) for person in seen]
    hidden = [occluded(person, seen[:i] + seen[i + 1 :]) for i, person in enumerate(seen)]
    ids = (FIRST_ID + rng.choice(9000, size=8, replace=False) + 1000).tolist()
    found = np.ones(length, bool)
    renamed = length
    if rng.random() < LOST_FRAMES:
        gap, start = rng.integers(1, 7), rng.integers(2, length - 8)
        found[start : start + gap] = False
        renamed = start if rng.random() < NEW_ID else length
    tracks = []
    for i, (person, unsure) in enumerate(zip(seen, hidden, strict=True)):
        joints, there = noisy(person, unsure, rng), found.copy()
        if i == 1 and rng.random() < LATE_PERSON:
            there[: rng.integers(2, length // 4)] = False
        for body_id, part in ((ids.pop(), slice(0, renamed)), (ids.pop(), slice(renamed, length))):
            frames = np.arange(length)[part][there[part]]
            if len(frames):
                tracks.append(Track(body_id, frames, joints[frames], np.where(unsure[frames], 1, 2)))
    swapped = np.zeros(length, bool)
    if len(people) == 2 and rng.random() < SWAPS:
        swapped[rng.integers(0, length) :] = True
    if rng.random() < GHOSTS:
        tracks.insert(int(rng.integers(0, 2)) * len(tracks), ghost(seen[0], ids.pop(), rng))
    return Recording(length, tracks, swapped)


def from_camera(room: Float[np.ndarray, "T 25 3"], setup: int, camera: int) -> Float[np.ndarray, "T 25 3"]:
    """Room coordinates -> the frame of a camera that looks at the middle of the room, a metre above the floor."""
    angle, height, distance = CAMERA_ANGLE[camera], CAMERA_HEIGHT[setup - 1], CAMERA_DISTANCE[setup - 1]
    place = np.array([distance * np.sin(angle), height, -distance * np.cos(angle)])
    forward = np.array([0.0, 0.95, 0.0]) - place
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    return (room - place) @ np.stack([right, np.cross(forward, right), forward]).T


def occluded(
    person: Float[np.ndarray, "T 25 3"], others: list[Float[np.ndarray, "T 25 3"]]
) -> Bool[np.ndarray, "T 25"]:
    """Limb joints behind the person's own trunk or behind somebody else's."""
    hidden = np.zeros(person.shape[:2], bool)
    for trunk, behind in [(person, 0.07), *((other, 0.15) for other in others)]:
        low, high = trunk[:, JOINT["spine_base"]], trunk[:, JOINT["neck"]]
        along = high - low
        share = ((person - low[:, None]) * along[:, None]).sum(2) / (along**2).sum(1, keepdims=True)
        nearest = low[:, None] + np.clip(share, 0, 1)[:, :, None] * along[:, None]
        off = person - nearest
        hidden |= (np.hypot(off[:, :, 0], off[:, :, 1]) < 0.14) & (off[:, :, 2] > behind)
    only_limbs = np.zeros_like(hidden)
    only_limbs[:, LIMBS] = hidden[:, LIMBS]
    return only_limbs


def noisy(
    joints: Float[np.ndarray, "T 25 3"], unsure: Bool[np.ndarray, "T 25"], rng: np.random.Generator
) -> Float[np.ndarray, "T 25 3"]:
    """Jitter that grows with distance squared, a slow wander of joints that are not seen, and hands that jump."""
    length = len(joints)
    far = (joints[:, :, 2:] / 2.5) ** 2
    out = joints + rng.normal(size=joints.shape) * JITTER[:, None] * far
    wander = _slow(rng, length, 0.85)
    blur = _slow(rng, length, 0.6) * (0.8 * JITTER[:, None]) * far
    trust = np.apply_along_axis(np.convolve, 0, unsure.astype(float), np.full(5, 0.2), mode="same")[:, :, None]
    out += blur + wander * (0.05 + 2 * JITTER[:, None]) * trust
    for part in ("left", "right"):
        if rng.random() < 0.15:  # a hand or a foot is lost for a moment
            chain = ("elbow", "wrist", "hand", "hand_tip", "thumb") if rng.random() < 0.6 else ("knee", "ankle", "foot")
            start = rng.integers(0, length - 4)
            end = start + rng.integers(2, 12)
            for depth, name in enumerate(chain):
                shift = rng.normal(0, 0.05, 3) + rng.normal(0, 0.06, 3) * depth
                out[start:end, JOINT[f"{part}_{name}"]] += shift
    return out


def _slow(rng: np.random.Generator, length: int, memory: float) -> Float[np.ndarray, "T 25 3"]:
    """Unit noise that forgets a share of itself each frame."""
    steps = rng.normal(size=(length, 25, 3))
    steps[1:] *= np.sqrt(1 - memory**2)
    for t in range(1, length):
        steps[t] += memory * steps[t - 1]
    return steps


def ghost(person: Float[np.ndarray, "T 25 3"], body_id: int, rng: np.random.Generator) -> Track:
    """A body that is no person: something that flickers for some frames, or furniture that is wider than tall."""
    length = len(person)
    if rng.random() < 0.5:
        start = int(rng.integers(0, length - 10))
        frames = np.arange(start, start + int(rng.integers(2, 11)))
        joints = person[frames] + [rng.choice([-0.8, 0.8]), 0, rng.uniform(0.2, 0.8)]
        joints = joints + rng.normal(0, 0.08, joints.shape)
    else:
        start = int(rng.integers(0, length // 2))
        frames = np.arange(start, length)
        shape = person[0] - person[0, 0]
        turned = np.stack([shape[:, 1] * 0.7, shape[:, 0] * rng.uniform(0.3, 0.9), shape[:, 2]], axis=1)
        place = person[0, 0] + [rng.choice([-1, 1]) * rng.uniform(0.7, 1.1), -0.4, rng.uniform(-0.3, 0.6)]
        joints = turned + place + rng.normal(0, 0.004, (len(frames), 25, 3))
    state = np.where(rng.random((len(frames), 25)) < 0.6, 1, 2)
    return Track(body_id, frames, joints, state)


# --- as text --------------------------------------------------------------------------------------------------------

BODY_LINE = "%d 0 %d %d %d %d 0 %.7g %.7g 2\r\n25\r\n"
JOINT_LINES = ("%.7g " * 11 + "%d\r\n") * 25
DEPTH_IMAGE = (365.0, 256.0, 212.0)  # focal length and middle of the picture in pixels: round figures of Kinect v2
COLOUR_IMAGE = (1060.0, 960.0, 540.0)
COLOUR_ASIDE = 0.05  # the colour camera sits this far (m) from the depth camera
ENDS = tuple(JOINT[n] for n in ("head", "left_foot", "right_foot")) + tuple(range(21, 25))  # no orientation, as Kinect


def as_skeleton_file(recording: Recording, rng: np.random.Generator) -> bytes:
    """The recording in NTU RGB+D's raw text format, with CRLF line ends as published.

    Projections are a pinhole's; a joint's orientation is the shortest turn from the y axis to the bone that ends there.
    """
    frames: list[list[str]] = [[] for _ in range(recording.length)]
    for track in recording.tracks:
        for frame, text in zip(track.frames, _body_texts(track, rng), strict=True):
            frames[frame].append(text)
    for frame in np.flatnonzero(recording.reversed_order):
        frames[frame].reverse()
    lines = [f"{len(bodies)}\r\n" + "".join(bodies) for bodies in frames]
    return (f"{recording.length}\r\n" + "".join(lines)).encode("ascii")


def _body_texts(track: Track, rng: np.random.Generator) -> list[str]:
    x, y, z = np.moveaxis(track.joints, 2, 0)
    values = np.empty((*track.state.shape, 12))
    values[:, :, :3] = track.joints
    for column, (focal, u, v), aside in ((3, DEPTH_IMAGE, 0.0), (5, COLOUR_IMAGE, COLOUR_ASIDE)):
        values[:, :, column] = u + focal * (x + aside) / z
        values[:, :, column + 1] = v - focal * y / z
    values[:, :, 7:11] = _orientation(track.joints)
    values[:, :, 11] = track.state
    spine = track.joints[:, JOINT["spine_shoulder"]] - track.joints[:, JOINT["spine_base"]]
    lean = np.clip(spine[:, [0, 2]] / np.linalg.norm(spine, axis=1, keepdims=True), -1, 1)
    hands = rng.integers(0, [2, 5, 2, 5], (len(track.frames), 4))
    heads = zip(hands.tolist(), lean.tolist(), strict=True)
    heads = (BODY_LINE % (track.body_id, *hand, *side) for hand, side in heads)
    rows = values.reshape(len(values), -1).tolist()
    return [head + JOINT_LINES % tuple(row) for head, row in zip(heads, rows, strict=True)]


def _orientation(joints: Float[np.ndarray, "F 25 3"]) -> Float[np.ndarray, "F 25 4"]:
    bone = joints - joints[:, list(load_layout("ntu25").parents)]
    bone /= np.maximum(np.linalg.norm(bone, axis=2, keepdims=True), 1e-9)
    turn = np.stack([1 + 1e-6 + bone[:, :, 1], bone[:, :, 2], np.zeros(bone.shape[:2]), -bone[:, :, 0]], axis=2)
    turn /= np.linalg.norm(turn, axis=2, keepdims=True)
    turn[:, list(ENDS)] = 0
    return turn
