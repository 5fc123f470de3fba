"""Body parts that SLEAP has tracked in a video, in its analysis files: HDF5 (needs h5py, the extra `formats`) or CSV.

    node_names     (nodes,)                     body parts, the joints
    edge_inds      (edges, 2)                   bones between them, where the skeleton has some
    tracks         (tracks, 2, nodes, frames)   x, y in pixels, NaN: not seen; or (frames, tracks, nodes, 2)
    point_scores   (tracks, nodes, frames)      confidence; or (frames, tracks, nodes)

    track,frame_idx,instance.score,snout.x,snout.y,snout.score,...    the same as .csv, a row an instance

One file is one clip, each track is one of its people. Without edges that connect all nodes, each is joined to one in
the middle.
Source: SLEAP documentation, "Export analysis HDF5"; talmolab/sleap-io, io/analysis_h5.py.
"""

from pathlib import Path

import numpy as np

from kinegraph.data.formats.animals import Tracks, checked_nodes, checked_places, recordings_of_tracks
from kinegraph.data.formats.clip_files import clip_files, some_below
from kinegraph.data.formats.hdf5 import array_of, check_h5py, opened, start_of, texts_of
from kinegraph.data.formats.recordings import FormatError, Recordings
from kinegraph.data.formats.sleap_csv import is_sleap_csv, read_csv

NAME, TITLE = "sleap", "body parts tracked by SLEAP (.h5, .csv)"
SUFFIXES = (".h5", ".hdf5", ".slp", ".csv")


def detect(path: Path) -> str | None:
    """An HDF5 file with tracks and node_names, a .csv with track and frame_idx, or a folder with some."""
    if path.is_file():
        return "tracks and nodes as SLEAP writes them" if _is_one(path) else None
    return "holds tracks and nodes as SLEAP writes them" if some_below(path, SUFFIXES, _is_one) else None


def _is_one(file: Path) -> bool:
    if file.suffix.lower() == ".csv":
        return is_sleap_csv(file)
    start = start_of(file) if file.suffix.lower() in SUFFIXES else b""
    return b"node_names" in start and b"tracks" in start


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of SLEAP's analysis files, in the order of their names, or of one; in pixels.

    layout: name or YAML file of the joints; by default the nodes and edges of the first file. Sub-folders name classes.
    Raises ValueError where no file can be read, and where h5py is not installed.
    """
    found = clip_files(path, SUFFIXES, lambda file: file.suffix.lower() != ".csv" or is_sleap_csv(file))
    if any(file.path.suffix.lower() != ".csv" for file in found[0]):
        check_h5py("SLEAP's .h5 files")
    return recordings_of_tracks(found, path, read_file, layout, name=NAME, title="SLEAP")


# ---- one file --------------------------------------------------------------------------------------------------------


def read_file(file: Path) -> Tracks:
    """Nodes, edges and tracks of a file. Raises ValueError naming the file and the array that is not as expected."""
    if file.suffix.lower() == ".csv":
        return read_csv(file)
    with opened(file) as content:
        tracks, scores, edges = (array_of(file, content, key) for key in ("tracks", "point_scores", "edge_inds"))
        names, people = (texts_of(file, content, key) for key in ("node_names", "track_names"))
    if tracks is None or names is None:
        hint = "; export it by `sleap-convert --format analysis`" if file.suffix.lower() == ".slp" else ""
        raise ValueError(f"{file} has no tracks and node_names, as SLEAP's analysis files have{hint}")
    nodes = checked_nodes(file, names)
    axes, axes_of_scores = ((1, 0, 2, 3), (1, 0, 2)) if _frames_first(tracks, scores) else ((0, 3, 2, 1), (0, 2, 1))
    if tracks.ndim != 4 or tracks.transpose(axes).shape[2:] != (len(nodes), 2):
        expected = f"(tracks, 2, {len(nodes)}, frames)"
        raise FormatError("shape", f"{file} has tracks of shape {tracks.shape}, expected {expected}")
    keypoint = checked_places(file, tracks.transpose(axes))
    if scores is not None:
        scores = scores.transpose(axes_of_scores) if scores.ndim == 3 else scores
        scores = scores if scores.shape == keypoint.shape[:3] else None
    named = people if people is not None and len(people) == len(keypoint) else ()
    return Tracks(nodes, _edges(edges, len(nodes)), keypoint, scores, named)


def _frames_first(tracks: np.ndarray, scores: np.ndarray | None) -> bool:
    """Whether the tracks are (frames, tracks, nodes, 2); the scores decide for clips of two frames."""
    if tracks.ndim != 4 or tracks.shape[3] != 2:
        return False
    return tracks.shape[1] != 2 or scores is None or scores.shape != (len(tracks), *tracks.shape[2:])


def _edges(edges: np.ndarray | None, nodes: int) -> tuple[tuple[int, int], ...]:
    """The pairs of nodes (edges, 2), none of a node with itself; nothing where there are none, or something else."""
    if edges is None or edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        return ()
    pairs = [(child, parent) for parent, child in edges.tolist() if parent != child]
    return tuple(pairs) if all(0 <= node < nodes for pair in pairs for node in pair) else ()
