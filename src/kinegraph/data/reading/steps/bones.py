"""What a layout leaves unsaid: bones that no file names, left and right, shoulders, spine.

They follow from names of joints and from the clips. Clips can then be turned to the front and mirrored.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.recordings import Item, Recordings, peeked
from kinegraph.data.reading.joints.named_joints import NAMES_ALONE
from kinegraph.data.reading.steps.unstated import bodies_of, some_bodies, some_frames
from kinegraph.skeleton.anatomy import complete, pairs_by_name
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.proportions import shortest_lines


def with_bones(found: Recordings) -> Recordings:
    """The recordings with bones where `guessed` says "bones": the layout's own are then provisional ones.

    So are those of a layout of which only the names of joints are known.
    """
    if "bones" not in found.guessed and found.layout.source != NAMES_ALONE:
        return found
    guessed = found.guessed - {"bones"}
    first, clips = peeked(found.clips)
    bodies = [bodies_of(clip) for clip in first]
    if not sum(map(len, bodies)):
        return replace(found, clips=clips, guessed=guessed)
    layout = layout_of_lines(found.layout, shortest_lines(some_bodies(bodies)))
    lines = f"the shortest lines between the {len(layout)} joints"
    line = f"bones: {lines}, the file names none (--layout my.yaml says others)"
    clips = with_layout(clips, found, layout)
    return replace(found, clips=clips, layout=layout, guessed=guessed, assumed=(*found.assumed, line))


def layout_of_lines(layout: JointLayout, lines: list[tuple[int, int]]) -> JointLayout:
    """The layout with these bones and their mirror images; the centre is the joint from which all others are near."""
    other = replace(layout, mirror=layout.mirror or pairs_by_name(layout)).mirrored()
    both = [pair for i, j in lines for pair in ((i, j), (other[i], other[j]))]
    bones = tuple({frozenset(pair): pair for pair in both}.values())
    source = "" if layout.source == NAMES_ALONE else layout.source
    return replace(layout, bones=bones, centre=_centre(len(layout), bones), parents=(), source=source)


def _centre(joints: int, bones: tuple[tuple[int, int], ...]) -> int:
    """The joint with the fewest bones to the others, in sum."""
    near: list[set[int]] = [set() for _ in range(joints)]
    for i, j in bones:
        near[i].add(j)
        near[j].add(i)

    def steps(start: int) -> int:
        reached, edge, total, step = {start}, {start}, 0, 0
        while edge := {neighbour for joint in edge for neighbour in near[joint]} - reached:
            step += 1
            total += step * len(edge)
            reached |= edge
        return total

    return min(range(joints), key=steps)


# ---- left and right, shoulders, spine, from the names of joints and the bones ----------------------------------------


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
