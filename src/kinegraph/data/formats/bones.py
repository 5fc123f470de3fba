"""Bones of points that no file connects, such as markers: the shortest lines between them, on both sides alike."""

from dataclasses import replace

from kinegraph.data.formats.recordings import Recordings
from kinegraph.data.formats.sides import with_layout
from kinegraph.data.formats.unstated import bodies_of, peeked, some_bodies
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.proportions import shortest_lines


def with_bones(found: Recordings) -> Recordings:
    """The recordings with bones where `guessed` says "bones": the layout's own are then provisional ones."""
    if "bones" not in found.guessed:
        return found
    guessed = found.guessed - {"bones"}
    first, clips = peeked(found.clips)
    bodies = [bodies_of(clip) for clip in first]
    if not sum(map(len, bodies)):
        return replace(found, clips=clips, guessed=guessed)
    layout = layout_of_lines(found.layout, shortest_lines(some_bodies(bodies)))
    line = f"bones: the shortest lines between the {len(layout)} joints, the file names none (--layout)"
    clips = with_layout(clips, found, layout)
    return replace(found, clips=clips, layout=layout, guessed=guessed, assumed=(*found.assumed, line))


def layout_of_lines(layout: JointLayout, lines: list[tuple[int, int]]) -> JointLayout:
    """The layout with these bones and their mirror images; the centre is the joint from which all others are near."""
    other = layout.mirrored()
    both = [pair for one, two in lines for pair in ((one, two), (other[one], other[two]))]
    bones = tuple({frozenset(pair): pair for pair in both}.values())
    return replace(layout, bones=bones, centre=_centre(len(layout), bones), parents=())


def _centre(joints: int, bones: tuple[tuple[int, int], ...]) -> int:
    """The joint with the fewest bones to the others, in sum."""
    near: list[set[int]] = [set() for _ in range(joints)]
    for one, two in bones:
        near[one].add(two)
        near[two].add(one)

    def steps(start: int) -> int:
        reached, edge, total, step = {start}, {start}, 0, 0
        while edge := {joint for one in edge for joint in near[one]} - reached:
            step += 1
            total += step * len(edge)
            reached |= edge
        return total

    return min(range(joints), key=steps)
