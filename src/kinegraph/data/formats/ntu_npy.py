"""NTU RGB+D as .npy: the dictionary of each sample that its published converter (txt2npy) saves.

    S001C001P001R001A001.skeleton.npy    {"file_name": ..., "nbodys": [1, 1, ...], "njoints": 25,
                                          "skel_body0": (frames, 25, 3), "skel_body1": ..., "rgb_body0": ...}

skel_body0 and so on are people in metres, y upward; places in the pictures are left out. The pickle in the file is read
as data, no code runs. Labels and splits are those of the raw files' names, see `ntu.py`, whose reader also drops ghosts
and joins bodies: these files hold no ids to do it with.
Source: shahroudy/NTURGB-D, Matlab and Python readers, txt2npy.py.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.ntu import LICENCE, _Names
from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, files_named, reason_of
from kinegraph.data.reading.clips.published_names import NTU_NAME, ntu_class_names
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.messages import quoted
from kinegraph.safe_npz import load_npy_object
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "ntu-npy", "NTU RGB+D as dictionaries in .npy"
SUFFIXES = (".npy",)
LAYOUT, JOINTS = "ntu25", 25
BODY = re.compile(r"skel_body(\d+)")
MAGIC, HEAD = b"\x93NUMPY", 1 << 16
MOST_BODIES = 20


def detect(path: Path) -> str | None:
    """A .npy of objects with skel_body0, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "a dictionary with skel_body0", "holds dictionaries with skel_body0")


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        head = content.read(HEAD)
    return head.startswith(MAGIC) and b"'|O'" in head[:200] and b"skel_body" in head


def read(path: Path) -> Recordings:
    """The samples of a folder, in the order of their names, or of one file; in metres."""
    files = files_named(path, SUFFIXES, _is_one, _name)
    actions = [int(found[5]) for file in files if (found := NTU_NAME.fullmatch(file.name))]
    classes = 120 if max(actions, default=0) > 60 else 60
    return Recordings(
        clips=clips_of(sorted(files, key=lambda file: file.name), lambda file: _clip(file, _Names(classes))),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=ntu_class_names(classes),
        units="m",
        source="NTU RGB+D (Shahroudy et al. 2016, Liu et al. 2019), as .npy",
        licence=LICENCE,
    )


def _name(file: Path) -> str:
    return file.stem.removesuffix(".skeleton")


def _clip(file: ClipFile, names: _Names) -> Item:
    people = read_file(file.path)
    return names.clip(file.path.with_name(f"{file.name}.skeleton"), people)


def read_file(file: Path) -> Float[np.ndarray, "M T 25 3"]:
    """The bodies of a sample that are somewhere. Raises ValueError that names the file."""
    content = load_npy_object(file)
    if not isinstance(content, Mapping):
        raise ValueError(f"{file} holds {quoted(content)}, expected a dictionary with skel_body0")
    found = {int(match[1]): content[key] for key in content if isinstance(key, str) and (match := BODY.fullmatch(key))}
    if not 0 < len(found) <= MOST_BODIES:
        raise ValueError(f"{file} holds {len(found)} bodies skel_body0 and so on, expected 1 to {MOST_BODIES}")
    bodies = [found[number] for number in sorted(found)]
    for body in bodies:
        shape = body.shape if isinstance(body, np.ndarray) and body.dtype.kind in "fiu" else quoted(body)
        if shape != (len(bodies[0]), JOINTS, 3) or not len(body):
            raise FormatError("shape", f"{file} holds a body {shape}, expected (frames, {JOINTS}, 3), as many for all")
    people = np.stack(bodies).astype(np.float32)
    people = np.where(np.isnan(people).any(3, keepdims=True), 0, people)
    there = people.any((1, 2, 3))
    return people[there] if there.any() else people[:1]
