"""Xsens MVN's recordings as XML (.mvnx, versions 2 to 4): the origins of the 23 segments of a body.

    <mvnx><subject label="Anna" frameRate="60">
      <segments><segment label="Pelvis" id="1"/>...</segments>
      <frames><frame type="normal" time="0" index="0"><position>x y z x y z ...</position>...</frame>...

A segment becomes the joint of layout xsens23 at which it begins; several subjects are the people of a clip. In metres,
z upward. Frames of calibration poses (identity, tpose) and other data, such as angles and sensors, are left out. XML
with a DOCTYPE is refused: it could stand for more than it holds.
Source: Xsens MVN user manual, "MVNX"; Movella, load_mvnx.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import clip_files, reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.files.number_rows import LARGEST_NUMBER, check_size
from kinegraph.data.reading.files.text import frame_rate
from kinegraph.data.reading.joints.markers import Trajectories, Wanted, every, marker_recordings
from kinegraph.data.reading.joints.named_joints import XSENS_NAMES
from kinegraph.messages import one_line, plain_name

NAME, TITLE = "mvnx", "recordings of Xsens MVN (.mvnx)"
SUFFIXES = (".mvnx", ".xml")
HEAD = 1 << 12
BLOCK = 1 << 20
POSES = ("identity", "tpose", "tpose-isb", "npose")  # frames of calibration


def detect(path: Path) -> str | None:
    """A file whose first element is mvnx, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_one, "has the element mvnx", "holds .mvnx files")


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        return b"<mvnx" in content.read(HEAD).replace(b"\0", b"")


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file; in metres, z upward.

    layout: name or YAML file of the joints, by default xsens23. Sub-folders name classes.
    Raises ValueError for files without positions.
    """
    return marker_recordings(clip_files(path, SUFFIXES, _is_one), path, read_file, layout)


@dataclass
class _Subject:
    name: str
    rate: str
    segments: list[str] = field(default_factory=list)
    rows: list[array] = field(default_factory=list)


@dataclass
class _Reader:
    """Takes the elements of a file as they come. with_frames: without, it stops at the first frame."""

    file: Path
    with_frames: bool
    subjects: list[_Subject] = field(default_factory=list)
    frame: str = ""  # type of the frame that is open, "" outside
    frames: int = 0
    text: list[str] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "subject":
            self.subjects.append(_Subject(plain_name(attributes.get("label", "")), attributes.get("frameRate", "")))
        elif tag == "segment" and self.subjects:
            label = plain_name(attributes.get("label", ""))
            self.subjects[-1].segments.append(XSENS_NAMES.get(label, label))
        elif tag == "frame":
            self.frame = attributes.get("type") or "normal"
            self.frames += self.frame not in POSES
        elif tag == "position" and self.frame and self.frame not in POSES:
            self.text = []

    def take(self, text: str) -> None:
        if self.text is not None:
            self.text.append(text)

    def end(self, tag: str) -> None:
        if tag == "position" and self.text is not None and self.subjects:
            self.subjects[-1].rows.append(self.numbers("".join(self.text), self.subjects[-1]))
            self.text = None
        elif tag == "frame":
            self.frame = ""

    def numbers(self, text: str, subject: _Subject) -> array:
        try:
            row = array("f", map(float, text.replace(",", ".").split()))
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{self.file}, frame {self.frames}: {one_line(error)}") from None
        if len(row) != 3 * len(subject.segments):
            there = f"{len(row)} numbers of positions, expected 3 for each of {len(subject.segments)} segments"
            raise ValueError(f"{self.file}, frame {self.frames} has {there}")
        return row

    def doctype(self, *_: object) -> None:
        raise ValueError(f"{self.file} has a DOCTYPE, which is not read; leave it out")


def read_file(file: Path, wanted: Wanted = every, frames: bool = True) -> Trajectories:
    """The segments of a file that are wanted. Raises ValueError with file and cause.

    frames: without them the names alone.
    """
    check_size(file)
    reader = _Reader(file, frames)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = reader.take, reader.doctype
    try:
        with file.open("rb") as content:
            while block := content.read(BLOCK):
                parser.Parse(block)
                if not frames and reader.frames and all(subject.rows for subject in reader.subjects):
                    break
            else:
                parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ValueError(f"{file} is not readable XML: {one_line(error)}") from None
    subjects = [subject for subject in reader.subjects if subject.rows]
    if not subjects:
        reason = "frames without positions of segments" if reader.frames else "no frames"
        raise ValueError(f"{file} has {reason}; export it from MVN with Position, or as BVH")
    return _joined(file, subjects, wanted)


def _joined(file: Path, subjects: list[_Subject], wanted: Wanted) -> Trajectories:
    """The segments of all subjects, with the subject before a colon where there are several."""
    names = [
        f"{it.name or number}:{segment}" if len(subjects) > 1 else segment
        for number, it in enumerate(subjects, 1)
        for segment in it.segments
    ]
    longest = max(len(subject.rows) for subject in subjects)
    places = np.concatenate([_places(file, subject, longest) for subject in subjects], 1)
    kept = [i for i, name in enumerate(names) if wanted(name)]
    rate = frame_rate(subjects[0].rate, f"{file}: frameRate")
    return Trajectories(tuple(names[i] for i in kept), places[:, kept], rate)


def _places(file: Path, subject: _Subject, longest: int) -> Float[np.ndarray, "T segments 3"]:
    found = np.full((longest, len(subject.segments), 3), np.nan, np.float32)
    found[: len(subject.rows)] = np.array(subject.rows, np.float32).reshape(len(subject.rows), -1, 3)
    if not (np.abs(found[: len(subject.rows)]) < LARGEST_NUMBER).all():
        raise ValueError(f"{file} holds a number that is not finite")
    return found
