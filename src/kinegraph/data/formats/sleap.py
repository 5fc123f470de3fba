"""Body parts that SLEAP has tracked in a video, in its analysis files: HDF5 (needs h5py, the extra `formats`) or CSV.

    node_names     (nodes,)                     body parts, the joints
    edge_inds      (edges, 2)                   bones between them, where the skeleton has some
    tracks         (tracks, 2, nodes, frames)   x, y in pixels, NaN: not seen; or (frames, tracks, nodes, 2)
    point_scores   (tracks, nodes, frames)      confidence; or (frames, tracks, nodes)

    track,frame_idx,instance.score,snout.x,snout.y,snout.score,...    the same as .csv, a row per instance

One file is one clip, each track is one of its people. Without edges that connect all nodes, each is joined to one in
the middle.
Source: SLEAP documentation, "Export analysis HDF5"; talmolab/sleap-io, io/analysis_h5.py.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from kinegraph.data.reading.clips.clip_files import clip_files, reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.csv_rows import csv_lines
from kinegraph.data.reading.files.hdf5 import array_of, check_h5py, opened, start_of, texts_of
from kinegraph.data.reading.joints.animals import Tracks, checked_nodes, checked_places, recordings_of_tracks
from kinegraph.data.reading.joints.detections import frame_numbers
from kinegraph.data.tracking import CROWD
from kinegraph.messages import plain_name, quoted

NAME, TITLE = "sleap", "body parts tracked by SLEAP (.h5, .csv)"
SUFFIXES = (".h5", ".hdf5", ".slp", ".csv")
START = ("track", "frame_idx", "instance.score")
HEAD = 4096


def detect(path: Path) -> str | None:
    """An HDF5 file with tracks and node_names, a .csv with track and frame_idx, or a folder with some."""
    return reason_of(
        path, SUFFIXES, _is_one, "tracks and nodes as SLEAP writes them", "holds tracks and nodes as SLEAP writes them"
    )


def _is_one(file: Path) -> bool:
    if file.suffix.lower() == ".csv":
        return is_sleap_csv(file)
    start = start_of(file)
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
        message = f"{file} has no tracks and node_names, as SLEAP's analysis files have{hint}"
        raise FormatError("way" if hint else "unreadable", message)
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


# ---- analysis files as .csv ------------------------------------------------------------------------------------------
# A row per instance, with its track, its frame, and x, y and score of each node:
#     track,frame_idx,instance.score,snout.x,snout.y,snout.score,tail.x,tail.y,tail.score
# Instances without a track have no name: they are the people of their frame in the order of the rows.


def is_sleap_csv(file: Path) -> bool:
    """Whether a table begins with SLEAP's columns."""
    with file.open("rb") as content:
        return content.read(HEAD).removeprefix(b"\xef\xbb\xbf").startswith(",".join(START).encode())


def read_csv(file: Path) -> Tracks:
    """The nodes and tracks of a file. Raises ValueError naming the line that is not as expected."""
    lines = csv_lines(file)
    _, header = next(lines, (1, []))
    nodes = checked_nodes(file, [plain_name(name.removesuffix(".x")) for name in header if name.endswith(".x")])
    if lacking := [f"{node}.y" for node in nodes if f"{node}.y" not in header]:
        raise ValueError(f"{file} has no column {quoted(lacking[0])}")
    scored = all(f"{node}.score" in header for node in nodes)
    axes = ("x", "y", "score") if scored else ("x", "y")
    places = [[header.index(f"{node}.{axis}") for axis in axes] for node in nodes]
    frames, who, values = [], [], []
    seen: Counter[int] = Counter()
    for line, row in lines:
        where = f"{file} line {line}"
        if len(row) != len(header):
            raise ValueError(f"{where} has {len(row)} cells, the header has {len(header)}")
        try:
            cells = np.array([float(cell) if cell.strip() else np.nan for cell in row[3:]])
            frame = int(float(row[1]))
        except (ValueError, OverflowError):
            raise ValueError(f"{where} holds a cell that is no number") from None
        frames.append(frame)
        who.append(row[0].strip() or seen[frame])
        seen[frame] += not row[0].strip()
        values.append(cells[np.array(places) - 3])
    if not frames:
        raise ValueError(f"{file} has no frames")
    people = list(dict.fromkeys(who))
    numbers, _ = frame_numbers(sorted(set(frames)))
    if len(people) > CROWD:
        raise ValueError(f"{file} has {len(people):,} tracks, expected at most {CROWD}")
    found = np.full((len(people), int(numbers[-1]) + 1, len(nodes), len(axes)), np.nan, np.float32)
    place = dict(zip(sorted(set(frames)), numbers.tolist(), strict=True))
    for frame, one, there in zip(frames, who, values, strict=True):
        found[people.index(one), place[frame]] = there
    named = tuple(plain_name(person) for person in people) if all(isinstance(person, str) for person in people) else ()
    keypoint = checked_places(file, found[..., :2])
    return Tracks(nodes, (), keypoint, found[..., 2] if scored else None, named, unordered=not named)
