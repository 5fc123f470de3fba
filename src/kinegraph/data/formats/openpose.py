"""OpenPose's joints as JSON: the Kinetics-skeleton data set, or the folders of frames that OpenPose writes.

Kinetics-skeleton (Yan et al. 2018): a folder with `kinetics_train/` and `kinetics_val/`, one JSON a clip,
    {"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, ...], "score": [s, ...]}, ...]}, ...],
     "label": "yoga", "label_index": 398}
and beside them `kinetics_train_label.json`, {clip: {"has_skeleton": true, "label": "yoga", "label_index": 398}, ...}.
18 joints, coordinates in fractions of the image; its videos were 340 x 256 pixels at 30 frames a second. Own recordings
may have the same form, also without the label files: the folders' names then end in train, val or test.

Frames (OpenPose --write_json): `CLASS/CLIP/*_000000000012_keypoints.json`, or `train/CLASS/CLIP/...`, each
    {"people": [{"pose_keypoints_2d": [x, y, score, ...]}, ...]}
with 18 (COCO) or 25 (BODY_25) joints in pixels. The number in a file's name is its frame; a frame without a file, and
one without people, is empty. One folder may hold several clips, whose files then differ in what is before the number.

Source: feeder_kinetics.py of yysijie/st-gcn; doc/02_output.md of OpenPose.
"""

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_below
from kinegraph.data.formats.clip_columns import Facts, facts, read_labels_file
from kinegraph.data.formats.openpose_people import Bodies, Detections, best_of_each_frame, tracked
from kinegraph.data.formats.people import further_people
from kinegraph.data.formats.recordings import (
    Fault,
    Item,
    Recordings,
    Unread,
    fault_of,
    nobody,
    spread,
)
from kinegraph.data.pool import cores, in_order
from kinegraph.data.split_names import PARTS, column_and_part
from kinegraph.messages import first_few, quoted
from kinegraph.safe_io import read_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME = "openpose"
TITLE = "JSON of OpenPose or Kinetics-skeleton"
SUFFIXES = ()
BodyPolicy = Literal["tracked", "score"]
POLICIES = {"tracked": tracked, "score": best_of_each_frame}
LAYOUTS = {18: "openpose18", 25: "openpose25"}
KINETICS_SIZE, KINETICS_FPS = (340, 256), 30.0
FRAME_FILE = re.compile(r"(.*?)_?(\d+)_keypoints\.json")
SPARSE, LONGEST_GAP = 100, 10_000  # frames a clip may be long for each that is there, and without any


@dataclass(frozen=True)
class Entry:
    """One clip's files: a single JSON of all frames, or frame number -> JSON."""

    name: str
    files: dict[int, Path] | Path


@dataclass(frozen=True)
class Found:
    """Clips, what is known of each (column -> cell), class names where they are given, and reasons for gaps."""

    entries: list[Entry]
    table: dict[str, dict[str, str]]
    class_names: tuple[str, ...] | None
    left_out: list[str]
    fractions: bool  # coordinates are fractions of the image, not pixels


def detect(path: Path) -> str | None:
    """A folder of Kinetics-skeleton, or one with files of OpenPose's frames at any depth."""
    if not path.is_dir():
        return None
    if any(_is_kinetics(folder) for folder in (path, *sorted(path.iterdir())) if folder.is_dir()):
        return "holds JSON files of Kinetics-skeleton"
    named = next(files_below(path, "*_keypoints.json"), None)
    return f"holds {named.name}, as OpenPose writes them" if named else None


def read(
    path: Path,
    *,
    people: int | None = None,
    bodies: BodyPolicy = "tracked",
    labels_file: Path | None = None,
    class_names: str | None = None,
    image_size: str | None = None,
    fps: float | None = None,
    val_share: float | None = None,
    workers: int | None = None,
    sample: int | None = None,
) -> Recordings:
    """The clips of a Kinetics-skeleton folder or of folders of OpenPose's frames.

    people: bodies a clip has, 2 by default, the best first. bodies: "tracked" follows people from frame to frame,
        "score" takes the best of each frame, as the published reader does. labels_file: CSV with a row a clip.
    sample: read the joints of so many clips only.
    image_size: of frames in pixels, "1920x1080". val_share: part of the clips for validation where nothing gives a
        split. workers: processes; None is one a core. Raises ValueError naming the file and what is not as expected.
    """
    if people is not None and people < 1:
        raise ValueError(f"{people} people cannot be kept; give 1 or more")
    if workers is not None and workers < 1:
        raise ValueError(f"{workers} workers cannot read anything; give 1 or more")
    if not path.is_dir():
        raise ValueError(f"no folder {path}; give the one with kinetics_train/, or with folders of *_keypoints.json")
    found = _kinetics(path) or _frame_folders(path)
    table, reasons = found.table, list(found.left_out)
    if labels_file is not None:
        table, more = _with_labels(table, labels_file)
        reasons += more
    known = facts(
        table,
        class_names=class_names or (found.class_names if labels_file is None else None),
        val_share=val_share,
        fps=fps or (KINETICS_FPS if found.fractions else None),
        image_size=image_size or ("{}x{}".format(*KINETICS_SIZE) if found.fractions else None),
    )
    entries = [entry for entry in found.entries if entry.name in table]
    layout = _layout_of(path, entries)
    read = partial(_bodies, joints=len(layout), people=people or 2, choose=POLICIES[bodies])
    chosen = spread(len(entries), sample)
    found_bodies = in_order(read, [entry for i, entry in enumerate(entries) if i in chosen], workers or cores())
    left_out: dict[str, int] = {}  # clip -> detections of people beyond its bodies
    clips = _clips(entries, chosen, found_bodies, known, layout, found.fractions, left_out)
    return Recordings(
        clips=clips,
        count=len(entries),
        layout=layout,
        class_names=known.class_names,
        units="px",
        source="; ".join(filter(None, [f"OpenPose joints of {path.resolve().name}", f"bodies {bodies}", known.note])),
        skipped=lambda: reasons + further_people(left_out, people or 2),
    )


def _clips(
    entries: Sequence[Entry],
    chosen: frozenset[int],
    found: Generator[Bodies | str, None, None],
    known: Facts,
    layout: JointLayout,
    fractions: bool,
    left_out: dict[str, int],
) -> Iterator[Item]:
    with closing(found):  # whoever stops at a fault ends the workers at once
        for i, entry in enumerate(entries):
            if i in chosen:
                bodies = next(found)
                if isinstance(bodies, Bodies) and bodies.left_out:
                    left_out[entry.name] = bodies.left_out
                yield _clip(entry, bodies, known, layout, fractions)
            else:
                about = known.clips[entry.name]
                yield Unread(entry.name, about.label, about.attributes, about.splits)


def _clip(
    entry: Entry, bodies: Bodies | str, known: Facts, layout: JointLayout, fractions: bool
) -> SkeletonClip | Fault:
    if isinstance(bodies, str):
        return Fault(bodies, entry.name)
    if entry.name in known.faults:
        return Fault(known.faults[entry.name], entry.name)
    about, keypoint, score = known.clips[entry.name], bodies.keypoint, bodies.score
    if not len(keypoint):
        return nobody(entry.name)
    if fractions:
        keypoint *= np.array(about.image_size, np.float32)
    return SkeletonClip(
        keypoint=keypoint,
        layout=layout,
        name=entry.name,
        label=about.label,
        score=score,
        fps=about.fps,
        image_size=about.image_size,
        attributes=about.attributes,
        splits=about.splits,
    )


def _bodies(entry: Entry, joints: int, people: int, choose: Callable) -> Bodies | str:
    """The bodies of a clip, or what is wrong with its files."""
    try:
        return choose(_read(entry, joints), people)
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    except ValueError as error:
        return str(error)


# ---- which clips there are -------------------------------------------------------------------------------------------


def _kinetics(raw: Path) -> Found | None:
    """The clips of kinetics_train, kinetics_val ... in a folder, or of one of them alone; None if there are none."""
    folders = [folder for folder in (raw, *sorted(raw.iterdir())) if folder.is_dir() and _is_kinetics(folder)]
    if not folders:
        return None
    entries, table, names, reasons = [], {}, {}, []
    for folder in folders:
        files = {file.stem: file for file in sorted(folder.glob("*.json")) if not file.stem.endswith("_label")}
        part = column_and_part(folder.name)[1]
        listing = _kinetics_labels(folder, files)
        if absent := [name for name in listing if name not in files]:
            reasons.append(f"{len(absent):,} of {folder.name} that are listed but not there: {first_few(absent)}")
        if unlisted := [name for name in files if name not in listing]:
            reasons.append(f"{len(unlisted):,} of {folder.name} that are not listed: {first_few(unlisted)}")
        if absent := [name for name, (_, _, has) in listing.items() if not has and name in files]:
            reasons.append(f"{len(absent):,} of {folder.name} without skeleton by the label file: {first_few(absent)}")
        for name, (label, index, has_skeleton) in listing.items():
            if not has_skeleton or name not in files:
                continue
            if name in table:
                raise ValueError(f"clip {quoted(name)} is in {folder} and in another part")
            if names.setdefault(index, label) != label:
                raise ValueError(
                    f"label {index} is {quoted(names[index])} and, for clip {quoted(name)} of {folder}, {quoted(label)}"
                )
            entries.append(Entry(name, files[name]))
            table[name] = {"label": str(index)} | ({"split": part} if part in PARTS else {})
    if len({len(cells) for cells in table.values()}) > 1:
        raise ValueError(
            f"of the folders {first_few([folder.name for folder in folders])}, only some end in train or val"
        )
    if not table:
        raise ValueError(f"{raw} has no clips to read: {'; '.join(reasons)}")
    classes = tuple(names.get(index, f"class {index}") for index in range(max(names) + 1))
    return Found(entries, table, classes, reasons, fractions=True)


def _is_kinetics(folder: Path) -> bool:
    """Whether there is a label file of that name beside it, or its first JSON is a clip."""
    if (folder.parent / f"{folder.name}_label.json").is_file():
        return True
    first = next((file for file in folder.glob("*.json") if not FRAME_FILE.fullmatch(file.name)), None)
    if first is None or first.stem.endswith("_label"):
        return False
    with first.open(encoding="utf-8", errors="replace") as file:
        return '"frame_index"' in file.read(4096)


def _kinetics_labels(folder: Path, files: Mapping[str, Path]) -> dict[str, tuple[str, int, bool]]:
    """Clip -> label, its index, whether it has skeletons; from the label file, or else from the clips themselves."""
    path = folder.parent / f"{folder.name}_label.json"
    listing = read_json(path) if path.is_file() else None
    if listing is not None and not isinstance(listing, Mapping):
        raise ValueError(f"{path} is no object of clips")
    listed = listing.items() if listing is not None else ((name, read_json(file)) for name, file in files.items())
    found = {}
    for name, about in listed:
        where = f"{path}: clip {quoted(name)}" if listing is not None else f"{files[name]}"
        if not isinstance(about, Mapping):
            raise ValueError(f"{where} is no object with label and label_index")
        label, index, has = about.get("label"), about.get("label_index"), about.get("has_skeleton", True)
        if not isinstance(label, str) or type(index) is not int or not 0 <= index < 10_000:
            raise ValueError(
                f"{where} has label {quoted(label)} and label_index {quoted(index)}, expected text and a class number"
            )
        found[name] = label, index, bool(has)
    return found


def _frame_folders(raw: Path) -> Found:
    """Clips from files CLASS/CLIP/*_keypoints.json; the name of a clip is its place under the folder."""
    groups: dict[tuple[Path, str], dict[int, Path]] = {}
    for file in sorted(files_below(raw, "*_keypoints.json")):
        if not (match := FRAME_FILE.fullmatch(file.name)):
            raise ValueError(f"{file} has no frame number before '_keypoints.json'")
        frames = groups.setdefault((file.parent.relative_to(raw), match[1]), {})
        if frames.setdefault(int(match[2]), file) != file:
            raise ValueError(f"{file} and {frames[int(match[2])].name} are both frame {int(match[2])}")
    if not groups:
        raise ValueError(f"{raw} has neither kinetics_train/ or kinetics_val/ nor folders of *_keypoints.json")
    alone = Counter(folder for folder, _ in groups)
    entries, table = [], {}
    for (folder, prefix), frames in groups.items():
        places = list(folder.parts) + ([prefix] if alone[folder] > 1 or not folder.parts else [])
        name = "/".join(places) or raw.resolve().name
        cells = {}
        if len(places) > 1 and places[0] in PARTS:
            cells["split"] = places.pop(0)
        cells["label"] = places[0] if len(places) > 1 else ""
        entries.append(Entry(name, frames))
        table[name] = cells
    if len({len(cells) for cells in table.values()}) > 1:
        raise ValueError(f"of the folders in {raw}, only some are train, val or test; put every clip into one")
    return Found(entries, table, None, [], fractions=False)


def _with_labels(table: Mapping[str, dict[str, str]], file: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    listing = read_labels_file(file)
    # A row may name a clip by its whole place or by its own folder alone.
    row = {name: next((key for key in (name, name.rpartition("/")[2]) if key in listing), None) for name in table}
    both = {name: table[name] | listing[key] for name, key in row.items() if key is not None}
    if not both:
        raise ValueError(f"{file} lists none of the clips, which are {first_few(list(table))}")
    unlisted = [name for name, key in row.items() if key is None]
    return both, [f"{len(unlisted):,} clips that {file.name} does not list: {first_few(unlisted)}"] if unlisted else []


# ---- what is in their files ------------------------------------------------------------------------------------------


def _layout_of(raw: Path, entries: Sequence[Entry]) -> JointLayout:
    """By the number of joints of the first person there is."""
    first: Exception | None = None
    for entry in entries:
        try:
            joints = next((len(pose) for _, poses in _frames(entry) for pose in poses), 0)
        except (ValueError, OSError) as error:
            first = first or error
            continue
        if joints in LAYOUTS:
            return load_layout(LAYOUTS[joints])
        if joints:
            raise ValueError(f"clip {quoted(entry.name)} in {raw} has {joints} joints, expected OpenPose's 18 or 25")
    if first:
        raise ValueError(str(fault_of(first)))
    raise ValueError(f"none of the {len(entries):,} clips in {raw} shows a person")


def _read(entry: Entry, joints: int) -> Detections:
    """Everybody in every frame, from the first recorded frame on."""
    frames = dict(_frames(entry))
    if not frames:
        return Detections([np.zeros((0, joints, 3), np.float32)])
    first, last = min(frames), max(frames)
    if last - first > SPARSE * len(frames) + LONGEST_GAP:
        raise ValueError(
            f"clip {quoted(entry.name)} goes from frame {quoted(first)} to {quoted(last)} in {len(frames):,} frames, "
            "expected frames counted one by one"
        )
    for poses in frames.values():
        for pose in poses:
            if len(pose) != joints:
                raise ValueError(
                    f"clip {quoted(entry.name)} has a person of {len(pose)} joints, the first had {joints}"
                )
    return Detections([np.array(frames.get(i) or np.zeros((0, joints, 3)), np.float32) for i in range(first, last + 1)])


def _frames(entry: Entry) -> Iterator[tuple[int, list[Float[np.ndarray, "V 3"]]]]:
    """Frame number and the people in it as x, y, score."""
    if isinstance(entry.files, Path):
        yield from _kinetics_frames(entry.files)
        return
    for number, file in sorted(entry.files.items()):
        content = read_json(file)
        people = content.get("people") if isinstance(content, Mapping) else None
        if not isinstance(people, list):
            raise ValueError(f"{file} has no list 'people'; is it written by OpenPose?")
        flat = [one.get("pose_keypoints_2d", one.get("pose_keypoints")) for one in people if isinstance(one, Mapping)]
        yield number, [_pose(file, values) for values in flat if values]


def _kinetics_frames(file: Path) -> Iterator[tuple[int, list[Float[np.ndarray, "V 3"]]]]:
    content = read_json(file)
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, list):
        raise ValueError(f"{file} has no list 'data' of frames")
    for frame in data:
        number = frame.get("frame_index") if isinstance(frame, Mapping) else None
        if type(number) is not int:
            raise ValueError(f"{file} has a frame with frame_index {quoted(number)}, expected a whole number")
        poses = []
        for one in frame.get("skeleton") or ():
            place, score = (one.get("pose"), one.get("score")) if isinstance(one, Mapping) else (None, None)
            if not isinstance(place, list) or not isinstance(score, list) or len(place) != 2 * len(score):
                raise ValueError(
                    f"{file} frame {quoted(number)} has a skeleton without two numbers in 'pose' for each 'score'"
                )
            poses.append(_pose(file, [value for i, s in enumerate(score) for value in (*place[2 * i : 2 * i + 2], s)]))
        yield number, poses


def _pose(file: Path, values: object) -> Float[np.ndarray, "V 3"]:
    """x, y, score of each joint; all zero where the score is."""
    try:
        pose = np.array(values, np.float64).reshape(-1, 3)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{file} has keypoints that are not x, y, score of each joint") from None
    if not (np.abs(pose) < 1e30).all():  # or too large for what is stored
        raise ValueError(f"{file} holds a number that is not finite")
    pose[pose[:, 2] <= 0] = 0
    return pose.astype(np.float32)
