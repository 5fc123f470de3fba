"""Facts that a file does not state, decided from its first clips: the layout, score or z, units. Decisions are printed.

A reader names in `Recordings.guessed` what its file does not say. It gives the coordinates as they are; `decided` looks
at the first clips, brings all of them to metres or pixels, and adds a note for each decision. Where the coordinates do
not decide, a `FormatError` names the option that does.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.large import IN_MEMORY, blocks, changed
from kinegraph.data.reading.clips.conventions import OF_A_LAYOUT, PUBLISHED, RARE, candidates
from kinegraph.data.reading.clips.openpose_parts import holistic
from kinegraph.data.reading.clips.recordings import METRES, Item, Recordings, closing_too, peeked
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.data.reading.joints.axes import AXES, guess_axes
from kinegraph.data.reading.steps.third_number import BODIES, LEAST_IN_MM, PIXELS, full_score, size_of, some_bodies
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import foot_and_head, seen, upward
from kinegraph.skeleton.layout import JointLayout, layout_names
from kinegraph.skeleton.proportions import are_measurable, recognise

FRAMES = 5000  # of a clip that are looked at
OF_MEDIAPIPE = (543, 553)
OF_EXPMAP = (33, 3)  # as many numbers as Human3.6M's exponential maps have
OF_SMPLX = (45, 52, 55, 73, 117, 127, 137, 144)
# The longest edge of the box around a body, in the unit: least and most.
BODY = {"m": (0.1, 8.0), "cm": (25.0, 320.0), "mm": (LEAST_IN_MM, 8000.0)}
HAND = {"m": (0.02, 1.0), "cm": (3.0, 60.0), "mm": (60.0, 600.0)}
ADULT_INCHES = (54.0, 84.0)  # of people who stand
SMALLEST = 1e-6
IN_PICTURE = (-0.25, 1.25)  # where fractions of a picture lie; detectors also give joints a little outside
OUTSIDE = 1.2  # of a side of the picture: no detector places joints farther out
UNSIZED = "fractions"  # of a picture whose size nobody says
ANIMAL = re.compile(r"tail|snout|muzzle|paw|hoof|beak|wing|withers", re.IGNORECASE)  # in names of joints
AT_HIP = 0.1
CLEARLY = 0.8  # of the way from feet to heads is along one axis of a picture
JOINTS_FIRST = 3.0  # times as far are neighbours apart on an axis of joints as on one of frames
NEAR_HIP = 0.3  # MediaPipe's z counts from the hip or the wrist, in about the unit of x


def decided(found: Recordings, expected: JointLayout | None = None, upright: bool = False) -> Recordings:
    """The recordings with layout, score and units decided where `guessed` names them, in metres or pixels.

    expected: the layout of the network that is asked, which bodies have that can have it. upright: somebody said which
        way is up.
    Raises FormatError where the coordinates do not decide.
    """
    if not found.guessed and found.units in ("m", "normalised"):
        return found
    first, clips = peeked(found.clips)
    bodies = _alike([bodies_of(clip) for clip in first])
    assumed = list(found.assumed)
    without_z = bool(bodies) and bodies[0].shape[2] == 3 and not any(body[..., 2].any() for body in bodies)
    if {"plane", "score"} & found.guessed and "units" in found.guessed and without_z and size_of(bodies) > PIXELS:
        assumed.append("z is zero everywhere: clips are x and y of pictures")
        first, clips = [_flat(clip) for clip in first], closing_too(map(_flat, clips), found.clips)
        bodies = [body[..., :2] for body in bodies]
    stated = None if "layout" in found.guessed else found.layout
    unscored = all(clip.score is None for clip in first)  # a score beside x, y, z: the third number is none
    full = full_score(bodies, stated) if "score" in found.guessed and unscored else 0
    scored = full > 0
    if scored:
        bodies = [body[..., :2] for body in bodies]
        assumed.append(f"the third number of a joint is its score: all are from 0 to {full}")
    layout = found.layout
    if "layout" in found.guessed and bodies:
        usual = "usual_layout" in found.guessed
        if found.as_arrays:
            _check_joints_first(first[0])
        layout, reason = _layout(some_bodies(bodies), found.layout, first[0], usual, expected)
        assumed.append(f"layout '{layout.name}', {reason} (--layout)")
    units, reason = found.units, ""
    if "units" in found.guessed and bodies:
        units, reason = _units(bodies, layout)
        if units == "image" and first[0].image_size is None:
            units, reason = UNSIZED, f"{reason}, of unknown size: kept as they are; --image-size makes them pixels"
        assumed += [f"units: {reason} (--units)"] if reason else []
    if "up" in found.guessed and units not in ("px", "image", UNSIZED):
        assumed += _vertical(first, layout, scored)
    if found.guessed and not upright and (scored or units in ("px", "image", UNSIZED)):
        assumed += _vertical_of_pictures(first, layout)
    if units == "image" and first and first[0].image_size is None:
        message = "x and y are fractions of a picture, and its size is not known; give --image-size, such as 1920x1080"
        raise FormatError("image_size", message)
    if units in ("px", "image", UNSIZED) and any(clip.keypoint.shape[3] == 3 and not scored for clip in first):
        assumed.append("x and y alone: the unit of z is not the picture's")
    _check_pictures(first, units)
    items = (_in_units(item, layout, full, units) for item in clips)
    stored = "m" if units in METRES else {"image": "px", UNSIZED: "normalised"}.get(units, units)
    return replace(
        found,
        clips=closing_too(items, found.clips),
        layout=layout,
        units=stored,
        guessed=frozenset(),
        assumed=tuple(assumed),
    )


def _flat(item: Item) -> Any:
    """A clip without z; what is no clip stays."""
    return replace(item, keypoint=item.keypoint[..., :2]) if isinstance(item, SkeletonClip) else item


def some_frames(keypoint: Float[np.ndarray, "M T V C"]) -> Float[np.ndarray, "M t V C"]:
    """Frames of a clip at equal distances, all of a short one."""
    step = max(1, -(-keypoint.shape[1] // FRAMES))
    if keypoint.nbytes <= IN_MEMORY:
        return keypoint[:, ::step]
    return np.concatenate([keypoint[:, part][:, -part.start % step :: step].copy() for part in blocks(keypoint)], 1)


def bodies_of(clip: SkeletonClip) -> Float[np.ndarray, "B V C"]:
    """The people of a clip in some frames in which they are there."""
    finite = np.nan_to_num(some_frames(clip.keypoint).astype(np.float64, copy=False), posinf=0, neginf=0)
    there = finite[seen(finite).any(2)]
    return there[np.unique(np.linspace(0, len(there) - 1, min(len(there), BODIES)).astype(int))]


def _alike(bodies: Sequence[Float[np.ndarray, "_ ..."]]) -> list[Float[np.ndarray, "_ ..."]]:
    """Those that have as many joints and coordinates as most; a clip that differs is a fault of its own."""
    if not bodies:
        return []
    usual = Counter(body.shape[1:] for body in bodies).most_common(1)[0][0]
    return [body for body in bodies if body.shape[1:] == usual]


# ---- layout ----------------------------------------------------------------------------------------------------------


def _layout(
    bodies: Float[np.ndarray, "B V C"],
    provisional: JointLayout,
    clip: SkeletonClip,
    usual: bool,
    expected: JointLayout | None,
) -> tuple[JointLayout, str]:
    """The layout whose bones fit the bodies, and the reason.

    Raises FormatError with the candidates where none does, or several do. clip: one of them, whose axes may be in
    another order. usual: whether the format is that of published data sets, whose number of joints says the layout.
    expected: taken unless the bodies clearly have another one.
    """
    joints, channels = bodies.shape[1:]
    known = candidates(joints)
    if expected is not None and len(expected) == joints:
        others = [layout for layout in known if _lines(layout) != _lines(expected)]
        best = recognise(bodies, [expected, *others]) or recognise(bodies, [expected])
        if best == expected or not are_measurable(bodies):
            return expected, "that of the network"
    if not known:
        message = f"{joints} joints in {channels}D are of no layout that is known here; name it by --layout"
        if joints in OF_SMPLX and channels == 3:
            message += ", or of SMPL-X and SMPL-H save the first 22, which are those of smpl22"
        if joints in OF_MEDIAPIPE:
            message += ", or of MediaPipe's body, hands and face save the first 33, the body"
        raise FormatError("layout", f"{message} ({OF_A_LAYOUT})")
    if joints == len(holistic()):
        return known[0], "which alone has so many joints"
    if not are_measurable(bodies):
        return provisional, "the usual one of so many joints; too few are seen to compare proportions"
    if (layout := recognise(bodies, known)) is not None and layout.name not in RARE:
        return layout, "which fits the proportions of the bodies"
    if (axes := guess_axes(clip.keypoint)) != AXES:
        shape = ", ".join(map(str, clip.keypoint.shape))
        message = f"swapped axes: ({shape}) looks like ({', '.join(axes)}), expected ({', '.join(AXES)})"
        raise FormatError("swapped_axes", message)
    if usual and joints in PUBLISHED:
        return provisional, "the usual one of such files; the proportions of the bodies do not confirm it"
    raise FormatError("layout", f"the {joints} joints in {channels}D {_undecided(bodies, known)}")


def _undecided(bodies: Float[np.ndarray, "B V C"], known: Sequence[JointLayout]) -> str:
    """Why the proportions of bodies do not decide among these layouts, and the way."""
    fitting = [layout.name for layout in known if recognise(bodies, [layout])]
    names = fitting if len(fitting) > 1 else [layout.name for layout in known]
    either = " or ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])
    which = "the one layout known here with so many: its" if len(known) == 1 else "the layouts known here: their"
    reason = (
        f"could be those of {either}; their proportions do not tell which"
        if len(fitting) > 1
        else f"do not look like those of {either}, {which} bones would be too long"
    )
    turns = "; 99 numbers a frame of Human3.6M are rotations, no places" if bodies.shape[1:] == OF_EXPMAP else ""
    return f"{reason}{turns}; name the layout by --layout, a name or {OF_A_LAYOUT}"


def _lines(layout: JointLayout) -> set[frozenset[int]]:
    """The bones, whichever end comes first."""
    return {frozenset(bone) for bone in layout.bones}


def _check_joints_first(clip: SkeletonClip) -> None:
    """Raises FormatError for an array of joints, each with its places in all frames: frames are alike, joints are not.

    Of one person: several may change their rows from frame to frame.
    """
    points = np.nan_to_num(some_frames(clip.keypoint).astype(np.float64, copy=False), posinf=0, neginf=0)
    if len(points) == 1 and candidates(points.shape[1]) and _step(points, 1) > JOINTS_FIRST * _step(points, 2):
        joints, frames, channels = clip.keypoint.shape[1:]
        message = f"swapped axes: ({joints}, {frames}, {channels}) looks like (joints, frames, coordinates)"
        raise FormatError("swapped_axes", f"{message}; save array.transpose(1, 0, 2), frames first")


def _step(points: Float[np.ndarray, "M T V C"], axis: int) -> float:
    """How far neighbours on an axis are apart, the median over those that are seen both; NaN without any."""
    along = np.moveaxis(points, axis, 0)
    both = seen(along[1:]) & seen(along[:-1])
    return float(np.median(np.linalg.norm(np.diff(along, axis=0), axis=-1)[both])) if both.any() else np.nan


# ---- vertical --------------------------------------------------------------------------------------------------------


def _vertical(clips: Sequence[SkeletonClip], layout: JointLayout, scored: bool) -> list[str]:
    """A line on the vertical axis of most clips in 3D, where feet and head, or a spine, say it."""
    if scored or not (foot_and_head(layout) or layout.spine):
        return []
    clips = [clip for clip in clips if clip.keypoint.shape[2:] == (len(layout), 3)]
    shown = [some for some in (some_frames(clip.keypoint) for clip in clips) if some.any()]
    hidden = [
        np.where((seen(keypoint) & np.isfinite(keypoint).all(3))[..., None], keypoint, np.nan) for keypoint in shown
    ]
    axes = Counter(upward(points, layout) for points in hidden).most_common(1)
    return [f"{axis} is upward {'(--up)' if axis == 'y' else f'(--up {axis} turns the clips)'}" for axis, _ in axes]


def _vertical_of_pictures(clips: Sequence[SkeletonClip], layout: JointLayout) -> list[str]:
    """A line where the heads of most clips in pictures are not above the feet with y downward."""
    if (ends := foot_and_head(layout)) is None:
        return []
    foot, head = ends
    ways = []
    for clip in clips:
        some = some_frames(clip.keypoint)[..., :2] if clip.keypoint.shape[2] == len(layout) else np.zeros((0, 0, 2, 2))
        both = some[..., foot, :].any(-1) & some[..., head, :].any(-1) if some.size else np.zeros(0, bool)
        if both.any():
            along = (some[..., head, :] - some[..., foot, :])[both].astype(np.float64)
            along = (along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)).mean(0)
            ways.append("x" if abs(along[0]) > CLEARLY else "y" if along[1] > CLEARLY else "")
    way = Counter(ways).most_common(1)[0][0] if ways else ""
    if way == "x":
        return ["heads lie beside feet: people lie, or y stands before x, as in MoveNet's arrays; save x before y"]
    return ["heads are above feet with y upward, as of Apple Vision; --up y turns the clips"] * (way == "y")


# ---- units -----------------------------------------------------------------------------------------------------------


def _units(bodies: Sequence[Float[np.ndarray, "_ V C"]], layout: JointLayout) -> tuple[str, str]:
    """Units of the coordinates, and in words what was assumed; "" where they are the usual ones.

    Raises FormatError for bodies that have no human size in any unit.
    """
    size = size_of(bodies)
    if not size > 0:
        return ("px" if bodies[0].shape[2] == 2 else "m"), ""
    if are_fractions(bodies) or (size < PIXELS and _are_of_mediapipe(bodies, layout, AT_HIP)):
        return "image", "x and y are fractions of a picture, from 0 to 1"
    if size >= PIXELS and _are_of_mediapipe(bodies, layout, AT_HIP * size):
        return "px", "x and y are pixels, z counts from the hips"
    if bodies[0].shape[2] == 2:
        least, most = (pick([pick(body) for body in bodies if body.size]) for pick in (np.min, np.max))
        if size > PIXELS or (least >= 0 and most > IN_PICTURE[1]):
            return "px", ""
        return "normalised", f"bodies are {size:.3g} large, neither pixels nor fractions of a picture: kept as they are"
    human = layout.name in layout_names() or layout.shoulders is not None
    human &= not any(ANIMAL.search(joint) for joint in layout.joints)
    sizes = BODY if layout.mirror else HAND
    if size < SMALLEST:
        raise FormatError("scale", f"bodies are {size:.3g} large, which is next to nothing in any unit")
    unit = next((unit for unit, (least, most) in sizes.items() if least <= size < most), None)
    if not human and (unit != "m" or size < BODY["m"][0]):
        return "normalised", f"bodies are {size:.3g} large, their unit is unknown: kept as they are"
    if unit == "m":
        return "m", ""
    if unit is None:
        known = ", ".join((*METRES, "normalised"))
        raise FormatError("units", f"bodies are {size:.4g} large, in no usual unit; give --units, one of {known}")
    or_inches = ", or inches of adults" * (unit == "cm" and ADULT_INCHES[0] <= size < ADULT_INCHES[1])
    return unit, f"bodies are {size:.4g} large: {unit}{or_inches}"


def are_fractions(bodies: Sequence[Float[np.ndarray, "_ V C"]]) -> bool:
    """Whether x and y are fractions of a picture's width and height; z then counts from the hip or the wrist."""
    values = [body[seen(body)] for body in bodies]
    joints = np.concatenate(values) if values else np.zeros((0, 2))
    if not len(joints):
        return False
    low, high = np.percentile(joints[:, :2], (1, 99), axis=0)
    inside = (low >= 0).all() and (high <= 1).all()
    inside &= joints[:, :2].min() >= IN_PICTURE[0] and joints[:, :2].max() <= IN_PICTURE[1]
    if joints.shape[1] == 2:
        return bool(inside)
    depth = joints[:, 2]
    return bool(inside and abs(np.median(depth)) < NEAR_HIP and depth.min() < 0 and np.ptp(depth) < 4)


def _check_pictures(clips: Sequence[SkeletonClip], units: str) -> None:
    """Raises FormatError where most clips lie far outside of their pictures, and inside with its sides swapped."""
    sized = [clip for clip in clips if units == "px" and clip.image_size and some_frames(clip.keypoint).any()]
    swapped = [clip for clip in sized if _is_swapped(clip)]
    if len(swapped) * 2 > len(sized):
        width, height = swapped[0].image_size or (0, 0)
        x, y = some_frames(swapped[0].keypoint)[..., :2].reshape(-1, 2).max(0)
        message = f"joints reach ({x:.0f}, {y:.0f}) in pictures of {width}x{height}: width and height are swapped"
        raise FormatError("image_size", f"{message}; give --image-size {height}x{width}")


def _is_swapped(clip: SkeletonClip) -> bool:
    width, height = clip.image_size or (0, 0)
    x, y = some_frames(clip.keypoint)[..., :2].reshape(-1, 2).max(0)
    return bool((x > OUTSIDE * width or y > OUTSIDE * height) and x <= OUTSIDE * height and y <= OUTSIDE * width)


def _are_of_mediapipe(bodies: Sequence[Float[np.ndarray, "_ V C"]], layout: JointLayout, near: float) -> bool:
    """Whether these are MediaPipe's joints in a picture, some of them outside of it: z counts from the hips alone.

    Its world coordinates count x and y from the hips, too. near: so far are x and y of the hips from zero at least.
    """
    if not layout.name.startswith("blazepose33") or bodies[0].shape[2] != 3:
        return False
    hips = [layout.joints.index(name) for name in ("left_hip", "right_hip")]
    x, y, z = np.median(np.concatenate(bodies)[:, hips].mean(1), axis=0)
    return bool(abs(z) < AT_HIP * size_of(bodies) and min(x, y) > near)


def _in_units(item: Item, layout: JointLayout, full: int, units: str) -> Item:
    """The clip with the layout that was decided, its score apart, in metres or pixels; what is no clip stays.

    full: as of `full_score`.
    """
    if not isinstance(item, SkeletonClip):
        return item
    keypoint, score = item.keypoint, item.score
    if full and keypoint.shape[3] == 3:
        keypoint, score = keypoint[..., :2], keypoint[..., 2] / np.float32(full)
    if units == "image":
        if item.image_size is None:
            message = "is in fractions of a picture whose size is not known; give --image-size, such as 1920x1080"
            return Fault(message, item.name, "image_size")
        size = np.array(item.image_size, np.float32)
        keypoint = changed(keypoint[..., :2], lambda some: some * size)
    elif units in ("px", UNSIZED):
        keypoint = keypoint[..., :2]
    elif units in METRES and units != "m":
        keypoint = changed(keypoint, lambda some: some * np.float32(METRES[units]))
    same = keypoint is item.keypoint and layout == item.layout
    return item if same else replace(item, keypoint=keypoint, score=score, layout=layout)
