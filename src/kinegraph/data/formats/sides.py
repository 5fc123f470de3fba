"""What somebody's own layout leaves unsaid - left and right, shoulders, spine - from the names of joints and the bones.

Clips can then be turned to the front and mirrored, in whatever form they came.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.recordings import Item, Recordings
from kinegraph.data.formats.unstated import peeked, some_frames
from kinegraph.skeleton.anatomy import complete
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout


def with_sides(found: Recordings) -> Recordings:
    """The recordings with a layout whose left and right, shoulders and spine are known, as far as they can be."""
    if not found.layout.unstated:
        return found
    first, clips = peeked(found.clips)
    layout, said = complete(found.layout, _lengths(found.layout, first))
    if not said:
        return replace(found, clips=with_layout(clips, found, layout))
    line = f"layout '{layout.name}': {said} (a layout file says it by mirror, shoulders, spine)"
    clips = with_layout(clips, found, layout)
    return replace(found, clips=clips, layout=layout, assumed=(*found.assumed, line))


def with_layout(items: Iterator[Item], found: Recordings, layout: JointLayout) -> Iterator[Item]:
    """The items, clips of the layout of the recordings with another one in its place."""
    with closing(found.clips):
        for item in items:
            own = isinstance(item, SkeletonClip) and item.layout == found.layout
            yield replace(item, layout=layout) if own else item


def _lengths(layout: JointLayout, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "V"]:
    """Of the bone from each joint's parent, the median over bodies that show both ends; 1 where none does."""
    shown = [some_frames(clip.keypoint) for clip in clips if clip.layout == layout]
    bodies = [keypoint.reshape(-1, *keypoint.shape[2:]) for keypoint in shown]
    joints = np.concatenate(bodies).astype(np.float64) if bodies else np.zeros((0, len(layout), 3))
    both = joints.any(-1) & joints.any(-1)[:, list(layout.parents)]
    apart = np.linalg.norm(joints - joints[:, list(layout.parents)], axis=-1)
    lengths = [np.median(bone[shown]) if shown.any() else 1.0 for bone, shown in zip(apart.T, both.T, strict=True)]
    return np.nan_to_num(np.array(lengths), nan=1.0, posinf=1.0)
