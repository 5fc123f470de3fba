"""Body parts that SLEAP has tracked in a video, in its analysis files (HDF5); needs h5py, the extra `formats`.

    node_names     (nodes,)                     body parts, the joints
    edge_inds      (edges, 2)                   bones between them, where the skeleton has some
    tracks         (tracks, 2, nodes, frames)   x, y in pixels, NaN: not seen; or (frames, tracks, nodes, 2)
    point_scores   (tracks, nodes, frames)      confidence; or (frames, tracks, nodes)

One file is one clip, each track is one of its people. Without edges that connect all nodes, each is joined to one in
the middle.
Source: SLEAP documentation, "Export analysis HDF5"; talmolab/sleap-io, io/analysis_h5.py.
"""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.formats.clip_files import ClipFile, clip_files, clips_of, first_readable, some_below
from kinegraph.data.formats.deeplabcut import layout_of, middle_of, part_of_joint
from kinegraph.data.formats.recordings import FormatError, Item, Recordings, nobody
from kinegraph.messages import first_few, one_line, plain_name, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import INFERRED, LONGEST_NAME, MOST_JOINTS, JointLayout, load_layout

NAME, TITLE = "sleap", "body parts tracked by SLEAP (.h5)"
SUFFIXES = (".h5", ".hdf5", ".slp")
MAGIC = b"\x89HDF\r\n\x1a\n"
LOOKED_AT = 1 << 20  # bytes in which the names of the arrays are
OWN_LAYOUT = "nodes of a SLEAP file"
UNPACKED_ALWAYS, UNPACKED_A_BYTE = 64 << 20, 200  # bytes that an array may have: as of .npz files
MISSING = 'SLEAP\'s files need h5py: pip install "kinegraph[formats]"'


@dataclass(frozen=True, eq=False)
class Tracks:
    """The content of a file. keypoint: NaN where a node was not seen."""

    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    keypoint: Float[np.ndarray, "M T V 2"]
    score: Float[np.ndarray, "M T V"] | None


def detect(path: Path) -> str | None:
    """An HDF5 file with arrays of these names, or a folder with some."""
    if path.is_file():
        return "an HDF5 file with tracks and node_names" if _is_one(path) else None
    return "holds HDF5 files with tracks and node_names" if some_below(path, SUFFIXES, _is_one) else None


def _is_one(file: Path) -> bool:
    if file.suffix.lower() not in SUFFIXES or not file.is_file():
        return False
    with file.open("rb") as content:
        start = content.read(LOOKED_AT)
    return start.startswith(MAGIC) and b"node_names" in start and b"tracks" in start


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of SLEAP's analysis files, in the order of their names, or of one; in pixels.

    layout: name or YAML file of the joints; by default the nodes and edges of the first file. Sub-folders name classes.
    Raises ValueError where no file can be read, and where h5py is not installed.
    """
    _h5py()
    files, classes = clip_files(path, SUFFIXES)
    first = first_readable(files, read_file)
    of, assumed = (load_layout(layout), ()) if layout else layout_of_nodes(first.nodes, first.edges)
    place = part_of_joint(of, first.nodes)
    unused = [node for node in first.nodes if node not in place.values()]
    unseen = [joint for joint in of.joints if joint not in place]
    lines = [f"{len(unseen)} joints without a node, which are unseen: {first_few(unseen)}"] * bool(unseen)
    lines += [f"{len(unused)} nodes that are no joint of layout {of.name}: {first_few(unused)}"] * bool(unused)
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, of)),
        count=len(files),
        layout=of,
        class_names=classes,
        units="px",
        source=f"SLEAP, {path.resolve().name}",
        skipped=lambda: lines,
        assumed=assumed,
    )


def layout_of_nodes(nodes: Sequence[str], edges: Sequence[tuple[int, int]]) -> tuple[JointLayout, tuple[str, ...]]:
    """The layout of a file's skeleton, and what was assumed of it."""
    centre, _ = middle_of(nodes)
    try:
        bones = tuple({frozenset(edge): edge for edge in edges}.values())
        of = JointLayout(
            f"{NAME}{len(nodes)}",
            tuple(nodes),
            bones,
            nodes.index(centre),
            source=OWN_LAYOUT,
            unstated=frozenset(INFERRED),
        )
    except ValueError:  # the edges do not connect all nodes
        of = layout_of(nodes, NAME, OWN_LAYOUT)
        return of, (f"bones: from each node to '{centre}', the file's edges do not connect all nodes (--layout)",)
    return of, ()


def _clip(file: ClipFile, layout: JointLayout) -> Item:
    found = read_file(file.path)
    place = part_of_joint(layout, found.nodes)
    if not place or (layout.source == OWN_LAYOUT and {*found.nodes} != {*layout.joints}):
        problem = f"has the nodes {first_few(found.nodes)}, other ones than layout '{layout.name}'"
        raise FormatError("joints", f"{file.path} {problem}; read it apart, or name the joints by --layout")
    columns = [found.nodes.index(place[joint]) if joint in place else -1 for joint in layout.joints]
    there = np.array(columns) >= 0
    seen = np.isfinite(found.keypoint).all(3)[:, :, columns] & there
    if not seen.any():
        return nobody(file.name)
    score = None if found.score is None else np.clip(np.nan_to_num(found.score[:, :, columns]), 0, 1)
    return SkeletonClip(
        keypoint=np.where(seen[..., None], found.keypoint[:, :, columns], 0).astype(np.float32),
        layout=layout,
        name=file.name,
        label=file.label,
        score=None if score is None else np.where(seen, score, 0).astype(np.float32),
        splits=file.splits,
    )


# ---- one file --------------------------------------------------------------------------------------------------------


def _h5py() -> Any:
    try:
        return import_module("h5py")
    except ImportError:
        raise FormatError("missing", MISSING) from None


@contextmanager
def _opened(file: Path):
    """The file as HDF5. Raises ValueError that names it for whatever a broken file leads to."""
    try:
        with _h5py().File(file, "r") as content:
            yield content
    except ValueError:
        raise
    except Exception as error:
        reason = one_line(error).partition(" (")[0]
        raise ValueError(f"{file} is not a readable HDF5 file: {reason or type(error).__name__}") from None


def read_file(file: Path) -> Tracks:
    """Nodes, edges and tracks of a file. Raises ValueError naming the file and the array that is not as expected."""
    with _opened(file) as content:
        tracks, names = (_array(file, content, key) for key in ("tracks", "node_names"))
        scores, edges = (_array(file, content, key) for key in ("point_scores", "edge_inds"))
    if tracks is None or names is None:
        hint = "; export it by `sleap-convert --format analysis`" if file.suffix.lower() == ".slp" else ""
        raise ValueError(f"{file} has no tracks and node_names, as SLEAP's analysis files have{hint}")
    nodes = _names(file, names)
    axes, axes_of_scores = ((1, 0, 2, 3), (1, 0, 2)) if _frames_first(tracks, scores) else ((0, 3, 2, 1), (0, 2, 1))
    if tracks.ndim != 4 or tracks.transpose(axes).shape[2:] != (len(nodes), 2):
        expected = f"(tracks, 2, {len(nodes)}, frames)"
        raise FormatError("shape", f"{file} has tracks of shape {tracks.shape}, expected {expected}")
    keypoint = tracks.transpose(axes)
    if scores is not None:
        scores = scores.transpose(axes_of_scores) if scores.ndim == 3 else scores
        scores = scores if scores.shape == keypoint.shape[:3] else None
    if not keypoint.size:
        raise ValueError(f"{file} has no frames")
    if np.isinf(keypoint).any() or (np.abs(np.nan_to_num(keypoint)) > 1e9).any():
        raise ValueError(f"{file} holds a number that is not finite")
    return Tracks(nodes, _edges(edges, len(nodes)), keypoint, scores)


def _frames_first(tracks: np.ndarray, scores: np.ndarray | None) -> bool:
    """Whether the tracks are (frames, tracks, nodes, 2); the scores decide for clips of two frames."""
    if tracks.ndim != 4 or tracks.shape[3] != 2:
        return False
    return tracks.shape[1] != 2 or scores is None or scores.shape != (len(tracks), *tracks.shape[2:])


def _array(file: Path, content: Any, key: str) -> np.ndarray | None:
    """An array of numbers or texts; None where there is none of this name, or it lies in another file."""
    h5py = _h5py()
    if not isinstance(content.get(key, getlink=True), h5py.HardLink):
        return None
    array = content[key]
    if not isinstance(array, h5py.Dataset) or array.external or array.is_virtual:
        return None
    if array.size * array.dtype.itemsize > UNPACKED_ALWAYS + UNPACKED_A_BYTE * file.stat().st_size:
        raise ValueError(f"{file} has {file.stat().st_size:,} bytes, and {key} of {array.size:,} numbers, too many")
    if key == "node_names":
        return np.array([_text(name) for name in np.asarray(array[()]).reshape(-1)[: MOST_JOINTS + 1].tolist()])
    return np.asarray(array[()]) if array.dtype.kind in "fiu" else None


def _text(name: object) -> str:
    return plain_name(name.decode("utf-8", errors="replace") if isinstance(name, bytes) else name)[: LONGEST_NAME + 1]


def _names(file: Path, names: np.ndarray) -> tuple[str, ...]:
    nodes = tuple(map(str, names.tolist()))
    if not 2 <= len(nodes) <= MOST_JOINTS or max(map(len, nodes)) > LONGEST_NAME:
        raise ValueError(f"{file} names {len(nodes):,} nodes, expected 2 to {MOST_JOINTS:,} of a line each")
    if twice := [node for i, node in enumerate(nodes) if node in nodes[:i] or not node]:
        raise ValueError(
            f"{file} names the node {quoted(twice[0])} twice" if twice[0] else f"{file} has a node without name"
        )
    return nodes


def _edges(edges: Int[np.ndarray, "edges 2"] | None, nodes: int) -> tuple[tuple[int, int], ...]:
    """The pairs of nodes, none of a node with itself; nothing where there are none."""
    if edges is None or edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        return ()
    pairs = [(child, parent) for parent, child in edges.tolist() if parent != child]
    return tuple(pairs) if all(0 <= node < nodes for pair in pairs for node in pair) else ()
