"""CAD-60 and CAD-120 (Cornell Activity Datasets), one text file per clip, as published.

    1,r11,...,r33,c,x,y,z,c,...,x,y,z,c,    frame; 11 joints with turn, its confidence, place and its confidence; four
                                            with a place alone; in millimetres, y upward
    END
    activityLabel.txt                       0512164529,brushing teeth,   beside the files: name, activity, more

A place that OpenNI guessed has confidence 0, which is its score. The label follows from activityLabel.txt, else from
the folder. The subject is the number in a folder's name: data1 of CAD-60, Subject3_annotations of CAD-120.
Source: pr.cs.cornell.edu/humanactivities/data.php, README of the data.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_columns import ClipColumns, facts
from kinegraph.data.reading.clips.clip_files import ClipFile, clip_files, clips_of, reason_of, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.text import first_numbers, table_of_numbers
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "cad", "CAD-60 and CAD-120 (.txt)"
SUFFIXES = (".txt",)
LAYOUT = "openni15"
TURNED = (  # joints with a turn, in the order of the file
    "head", "neck", "torso", "left_shoulder", "left_elbow", "right_shoulder", "right_elbow", "left_hip", "left_knee",
    "right_hip", "right_knee",
)  # fmt: skip
ENDS = ("left_hand", "right_hand", "left_foot", "right_foot")
WIDTH = 1 + 14 * len(TURNED) + 4 * len(ENDS)
FPS, METRES = 30.0, 0.001
SOURCE = "Cornell Activity Datasets (Sung et al. 2012, Koppula et al. 2013)"
LABELS = "activityLabel.txt"
SUBJECT = re.compile(r"(?:data|subject|person)[_ ]?(\d+)(?:_annotations)?", re.IGNORECASE)


def detect(path: Path) -> str | None:
    """A text file whose first row has as many numbers, or a folder with some."""
    return reason_of(
        path, SUFFIXES, _is_one, f"has rows of {WIDTH} numbers, as CAD-60", "holds skeletons of CAD-60 or CAD-120"
    )


def _is_one(file: Path) -> bool:
    numbers = first_numbers(file, ",") if file.name != LABELS else []
    return len(numbers) == WIDTH and float(numbers[0]).is_integer()


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file, in metres."""
    files, _ = clip_files(path, SUFFIXES, _is_one)
    lists = {folder: listed(folder) for folder in {file.path.parent for file in files}}
    cells: dict[str, dict[str, str]] = {}
    for file in files:
        folder = file.path.parent
        own = "" if folder == path or path.is_file() or SUBJECT.fullmatch(folder.name) else folder.name
        numbers = [match[1] for part in folder.absolute().parts if (match := SUBJECT.fullmatch(part))]
        label = lists[folder].get(file.path.stem, own)
        cells[file.name] = {"label": label, "subject": numbers[-1] if numbers else ""}
    if not any(cell["subject"] for cell in cells.values()):
        cells = {name: {key: value for key, value in cell.items() if key != "subject"} for name, cell in cells.items()}
    known = facts(cells)
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, known.clips[file.name])),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=known.class_names,
        units="m",
        source="; ".join(filter(None, (SOURCE, known.note))),
    )


def listed(folder: Path) -> dict[str, str]:
    """The activity of each file that activityLabel.txt lists."""
    file = folder / LABELS
    rows = [line.split(",") for line in text_of(file).splitlines()] if file.is_file() else []
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1}


def _clip(file: ClipFile, about: ClipColumns) -> Item:
    joints, score = read_joints(file.path)
    return SkeletonClip(
        keypoint=joints[None],
        layout=load_layout(LAYOUT),
        name=file.name,
        score=score[None],
        label=about.label,
        fps=FPS,
        splits=about.splits,
        attributes=about.attributes,
    )


def read_joints(file: Path) -> tuple[Float[np.ndarray, "T 15 3"], Float[np.ndarray, "T 15"]]:
    """The joints in the order of the layout, in metres, and their confidences. Raises ValueError with file and line."""
    expected = f"{WIDTH}: the frame, {len(TURNED)} joints with turns and {len(ENDS)} without"
    rows = table_of_numbers(text_of(file).partition("END")[0], file, WIDTH, expected, ",")
    turned = rows[:, 1 : 1 + 14 * len(TURNED)].reshape(len(rows), len(TURNED), 14)[..., 10:]
    ends = rows[:, 1 + 14 * len(TURNED) :].reshape(len(rows), len(ENDS), 4)
    places = [(*TURNED, *ENDS).index(joint) for joint in load_layout(LAYOUT).joints]
    found = np.concatenate([turned, ends], 1)[:, places].astype(np.float32)
    return found[..., :3] * np.float32(METRES), np.clip(found[..., 3], 0, 1)
