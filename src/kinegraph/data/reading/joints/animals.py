"""Tracked animals: what a file holds - body parts, individuals, places - and the recordings of such files.

One file is one clip, individuals are its people. The layout is the file's own skeleton, or all body parts joined to one
in the middle, or the one that is given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, first_readable
from kinegraph.data.reading.clips.conventions import as_shares
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.joints.body_parts import layout_of, middle_of, part_of_joint
from kinegraph.data.reading.joints.named_joints import built_in
from kinegraph.messages import counted, first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import INFERRED, LONGEST_NAME, MOST_JOINTS, JointLayout, load_layout

OWN_LAYOUT = "body parts of the file"


@dataclass(frozen=True, eq=False)
class Tracks:
    """The content of a file. keypoint: NaN where a body part was not seen. edges: bones, where the file has some.

    individuals: names of people, where the file has some. unordered: whether individuals may change rows.
    """

    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    keypoint: Float[np.ndarray, "M T V C"]
    score: Float[np.ndarray, "M T V"] | None
    individuals: tuple[str, ...] = ()
    fps: float | None = None
    unordered: bool = False


def recordings_of_tracks(
    found: tuple[Sequence[ClipFile], tuple[str, ...]],
    path: Path,
    read_file: Callable[[Path], Tracks],
    layout: str | JointLayout | None,
    *,
    name: str,
    title: str,
) -> Recordings:
    """The clips of files of tracked animals. found: the files and the classes of their folders, as of `clip_files`.

    name, title: of the format, and of the program. Raises ValueError where no file can be read.
    """
    files, classes = found
    first = first_readable(files, read_file)
    of, assumed = (load_layout(layout), ()) if layout else layout_of_nodes(first.nodes, first.edges, name)
    place = part_of_joint(of, first.nodes)
    unused = [node for node in first.nodes if node not in place.values()]
    unseen = [joint for joint in of.joints if joint not in place]
    lines = [f"{counted(len(unseen), 'joint')} without a node, unseen: {first_few(unseen)}"] if unseen else []
    lines += (
        [f"{counted(len(unused), 'node')} without a joint in layout {of.name}: {first_few(unused)}"] if unused else []
    )
    deep = first.keypoint.shape[3] == 3
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, read_file(file.path), of, deep)),
        count=len(files),
        layout=of,
        class_names=classes,
        units="m" if deep else "px",
        source=f"{title}, {path.resolve().name}",
        skipped=lambda: lines,
        assumed=assumed,
        unordered=first.unordered,
        guessed=frozenset(("units", "up") if deep else ()),
    )


def layout_of_nodes(
    nodes: Sequence[str], edges: Sequence[tuple[int, int]], name: str
) -> tuple[JointLayout, tuple[str, ...]]:
    """The layout of a file's skeleton, or the built-in one with joints of these names, and what was assumed of it."""
    if (known := built_in(nodes)) is not None:
        return known, (f"layout '{known.name}' by the names of the nodes (--layout)",)
    centre, _ = middle_of(nodes)
    try:
        bones = tuple({frozenset(edge): edge for edge in edges}.values())
        of = JointLayout(
            f"{name}{len(nodes)}",
            tuple(nodes),
            bones,
            nodes.index(centre),
            source=OWN_LAYOUT,
            unstated=frozenset(INFERRED),
        )
    except ValueError:  # the edges do not connect all nodes
        of = layout_of(nodes, name, OWN_LAYOUT)
        return of, (f"bones: from each node to '{centre}', the file has no edges that connect all nodes (--layout)",)
    return of, ()


def checked_nodes(file: Path, nodes: Sequence[str]) -> tuple[str, ...]:
    """The names of body parts. Raises ValueError where these are none."""
    if not 2 <= len(nodes) <= MOST_JOINTS or max(map(len, nodes)) > LONGEST_NAME:
        raise ValueError(f"{file} names {counted(len(nodes), 'node')}, expected 2 to {MOST_JOINTS:,} of a line each")
    if twice := [node for i, node in enumerate(nodes) if node in nodes[:i] or not node]:
        raise ValueError(
            f"{file} names the node {quoted(twice[0])} twice" if twice[0] else f"{file} has a node without name"
        )
    return tuple(nodes)


def checked_places(file: Path, keypoint: Float[np.ndarray, "M T V C"]) -> Float[np.ndarray, "M T V C"]:
    """The coordinates. Raises ValueError where there are none, or one is not finite."""
    if not keypoint.size:
        raise ValueError(f"{file} has no frames")
    if np.isinf(keypoint).any() or (np.abs(np.nan_to_num(keypoint)) > 1e9).any():
        raise ValueError(f"{file} holds a number that is not finite")
    return keypoint


def _clip(file: ClipFile, found: Tracks, layout: JointLayout, deep: bool) -> Item:
    place = part_of_joint(layout, found.nodes)
    if not place or (layout.source == OWN_LAYOUT and {*found.nodes} != {*layout.joints}):
        problem = f"has the nodes {first_few(found.nodes)}, other ones than layout '{layout.name}'"
        raise FormatError("joints", f"{file.path} {problem}; read it apart, or name the joints by --layout")
    if (found.keypoint.shape[3] == 3) != deep:
        raise FormatError("joints", f"{file.path} is in {found.keypoint.shape[3]}D, unlike the first file")
    columns = [found.nodes.index(place[joint]) if joint in place else -1 for joint in layout.joints]
    there = np.array(columns) >= 0
    seen = np.isfinite(found.keypoint).all(3)[:, :, columns] & there
    score = None if found.score is None else as_shares(found.score[:, :, columns])
    return SkeletonClip(
        keypoint=np.where(seen[..., None], found.keypoint[:, :, columns], 0).astype(np.float32),
        layout=layout,
        name=file.name,
        label=file.label,
        score=None if score is None else np.where(seen, score, 0).astype(np.float32),
        fps=found.fps,
        attributes={"individuals": ", ".join(found.individuals)} if any(found.individuals) else {},
        splits=file.splits,
    )
