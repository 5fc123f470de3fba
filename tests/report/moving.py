"""A made-up person who stands, then lifts the left hand; the same for every test that draws."""

import numpy as np

from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

# x (to the sensor's left), y (up), z (away from it) of somebody who faces the sensor, in metres
STANDING = {
    "spine_base": (0, 0.9, 3), "spine_mid": (0, 1.1, 3), "spine_shoulder": (0, 1.35, 3), "neck": (0, 1.45, 3),
    "head": (0, 1.65, 3), "shoulder": (0.18, 1.35, 3), "elbow": (0.25, 1.1, 3), "wrist": (0.28, 0.9, 2.98),
    "hand": (0.28, 0.85, 2.97), "hand_tip": (0.28, 0.78, 2.96), "thumb": (0.25, 0.85, 2.93),
    "hip": (0.1, 0.88, 3), "knee": (0.1, 0.47, 2.98), "ankle": (0.1, 0.08, 3.02), "foot": (0.1, 0.02, 2.88),
}  # fmt: skip


def clip(people: int = 1, frames: int = 40, name: str = "lift", layout_name: str = "ntu25", **more) -> SkeletonClip:
    """The right side has positive x, as Kinect has it. The hand goes up from the middle of the clip on."""
    layout = load_layout(layout_name)
    stand = np.array([_place(joint) for joint in layout.joints], np.float32)
    keypoint = np.repeat(stand[None, None], frames, axis=1).repeat(people, axis=0)
    lift = np.clip(np.linspace(-1, 1, frames), 0, 1)
    for joint in ("left_wrist", "left_hand", "left_hand_tip", "left_thumb"):
        keypoint[:, :, layout.joints.index(joint), 1] += 0.9 * lift
    keypoint[..., 0] += np.arange(people)[:, None, None] * 1.2
    return SkeletonClip(keypoint, layout, name, **more)


def flat_clip(people: int = 2, frames: int = 40, **more) -> SkeletonClip:
    """The same in pixels of an image, x to the right and y down, of COCO's joints, with confidences."""
    solid, layout = clip(people, frames), load_layout("coco17_tree")
    at = [solid.layout.joints.index(joint if joint in solid.layout.joints else "head") for joint in layout.joints]
    keypoint = np.stack([900 - 250 * solid.keypoint[:, :, at, 0], 700 - 250 * solid.keypoint[:, :, at, 1]], axis=-1)
    score = np.full(keypoint.shape[:3], 0.9, np.float32)
    score[:, :, layout.joints.index("left_wrist")] = 0
    return SkeletonClip(keypoint, layout, "flat", score=score, image_size=(1920, 1080), fps=25.0, **more)


def _place(joint: str) -> tuple[float, float, float]:
    side, _, part = joint.partition("_")
    if side not in ("left", "right"):
        return STANDING[joint]
    x, y, z = STANDING[part]
    return (x if side == "right" else -x), y, z
