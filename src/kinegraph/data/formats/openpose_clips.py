"""Which clips there are in a folder of OpenPose's or Kinetics-skeleton's JSON, and what is known of them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kinegraph.data.folders import Place, files_below, places, unpacked
from kinegraph.data.formats.alphapose import OF_OPENPOSE, joints_by_picture
from kinegraph.data.formats.openpose_files import FrameOf, frames_in
from kinegraph.data.reading.clips.clip_files import levels_of
from kinegraph.data.split_names import PARTS, column_and_part
from kinegraph.messages import counted, first_few, quoted
from kinegraph.safe_io import read_json

FRAME_FILE = re.compile(r"(.*?)_?(\d+)_keypoints\.json")
OTHER_FILE = re.compile(r"(.*?)_?(\d+)\.json")  # of a frame, as other programs name them
ALPHAPOSE = re.compile(rb'"joints"\s*:\s*\[\s*-?\d')  # numbers; a Kinect's joints are objects
LOOKED_AT = 20  # of them, in a folder


@dataclass(frozen=True)
class Entry:
    """One clip's files: a single JSON of all frames, or frame number -> JSON, or what it holds."""

    name: str
    files: dict[int, Path | FrameOf] | Path


@dataclass(frozen=True)
class Found:
    """Clips, what is known of each (column -> cell), class names where they are given, and reasons for gaps."""

    entries: list[Entry]
    table: dict[str, dict[str, str]]
    class_names: tuple[str, ...] | None
    left_out: list[str]
    fractions: bool  # coordinates are fractions of the image, not pixels


def kinetics(raw: Path) -> Found | None:
    """The clips of kinetics_train, kinetics_val ... in a folder, or of one of them, or one clip; None without any."""
    if raw.is_file():
        folders = [raw] if is_clip(raw) else []
    else:
        raw = unpacked(raw)
        folders = kinetics_folders(raw)
    if not folders:
        return None
    entries, table, names, reasons = [], {}, {}, []
    for folder in folders:
        there = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
        files = {file.stem: file for file in there if not file.stem.endswith("_label")}
        below = folder != raw and folder.parent != raw  # train/CLASS
        part = column_and_part(folder.parent.name if below else folder.name)[1]
        of_class = folder.relative_to(raw).as_posix() if len(folders) > 1 and (below or part not in PARTS) else ""
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
            clip = f"{of_class}/{name}" if of_class else name
            if clip in table:
                raise ValueError(f"clip {quoted(name)} is in {folder} and in another part")
            if index is not None and names.setdefault(index, label) != label:
                other = f"for clip {quoted(name)} of {folder}, {quoted(label)}"
                raise ValueError(
                    f"label {index} is {quoted(names[index])} and, {other}; give each label a label_index of its own"
                )
            entries.append(Entry(clip, files[name]))
            table[clip] = {"label": "" if index is None else str(index)} | ({"split": part} if part in PARTS else {})
    if len({len(cells) for cells in table.values()}) > 1:
        raise ValueError(
            f"of the folders {first_few([folder.name for folder in folders])}, only some end in train or val"
        )
    if not table:
        raise ValueError(f"{raw} has no clips to read: {'; '.join(reasons)}")
    if not names and len(folders) > 1:
        table = {clip: cells | {"label": clip.rpartition("/")[0].rpartition("/")[2]} for clip, cells in table.items()}
    classes = tuple(names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1))
    return Found(entries, table, classes or None, reasons, fractions=True)


def kinetics_folders(raw: Path) -> list[Path]:
    """The folders of clips of Kinetics-skeleton: the folder, its sub-folders, and those of train, val and test."""
    raw = unpacked(raw)
    found = [place for place in places(raw) if place.path == raw or place.path.parent == raw]
    found += [
        place for place in places(raw) if place.path.parent.parent == raw and place.path.parent.name.lower() in PARTS
    ]
    return [place.path for place in found if _is_kinetics(place)]


def _is_kinetics(place: Place) -> bool:
    """Whether there is a label file of that name beside it, or its first JSON is a clip."""
    folder = place.path
    files = (folder / name for name in place.files if name.endswith(".json") and not FRAME_FILE.fullmatch(name))
    first = next(files, None)
    if first is not None and (folder.parent / f"{folder.name}_label.json").is_file():
        return True
    return first is not None and not first.stem.endswith("_label") and is_clip(first)


def is_clip(file: Path) -> bool:
    """Whether a JSON begins like a clip of Kinetics-skeleton."""
    return file.is_file() and all(key in _start(file) for key in (b'"frame_index"', b'"data"'))


def is_frame(file: Path) -> bool:
    """Whether a JSON begins like a frame of OpenPose, or several."""
    start = _start(file)
    return (b'"people"' in start and b'"pose_keypoints' in start) or (
        b'"bodies"' in start and bool(ALPHAPOSE.search(start)) and joints_by_picture(start) in (None, *OF_OPENPOSE)
    )


def frame_files(raw: Path) -> Iterator[tuple[Path, re.Match[str] | None]]:
    """The files of frames in a folder, and the parts of their names. Without OpenPose's names any JSON file counts."""
    named = sorted(files_below(raw, "*_keypoints.json"))
    if named:
        yield from ((file, FRAME_FILE.fullmatch(file.name)) for file in named)
        return
    for file in sorted(files_below(raw, "*.json")):
        if is_frame(file):
            yield file, OTHER_FILE.fullmatch(file.name)


def first_frame_file(raw: Path) -> Path | None:
    """One of them, if the first files of a folder are such: other formats have a million JSON files."""
    if named := next((file for file in files_below(raw, "*_keypoints.json") if FRAME_FILE.fullmatch(file.name)), None):
        return named
    some = islice(files_below(raw, "*.json"), LOOKED_AT)
    return next(filter(is_frame, some), None)


def _start(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(4096)


def _kinetics_labels(folder: Path, files: Mapping[str, Path]) -> dict[str, tuple[str, int | None, bool]]:
    """Clip -> label, its index, whether it has skeletons; from the label file, or else from the clips themselves.

    A clip that has neither label nor index is without label.
    """
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
        if label is None and index is None and listing is None:
            found[name] = "", None, bool(has)
            continue
        if not isinstance(label, str) or type(index) is not int or not 0 <= index < 10_000:
            raise ValueError(
                f"{where} has label {quoted(label)} and label_index {quoted(index)}, expected text and a class number"
            )
        found[name] = label, index, bool(has)
    return found


def frame_folders(raw: Path) -> Found:
    """Clips from files CLASS/CLIP/*_keypoints.json; the name of a clip is its place under the folder.

    One file of a frame is a clip of one frame, and each file of many frames is a clip.
    """
    if raw.is_file():
        match = FRAME_FILE.fullmatch(raw.name)
        if frames_in(raw):
            return Found([Entry(raw.stem, raw)], {raw.stem: {"label": ""}}, None, [], fractions=False)
        name, number = (match[1] or raw.resolve().parent.name, int(match[2])) if match else (raw.stem, 0)
        return Found([Entry(name, {number: raw})], {name: {"label": ""}}, None, [], fractions=False)
    groups, others = _groups(raw)
    if not groups:
        raise ValueError(f"{raw} has neither kinetics_train/ or kinetics_val/ nor folders of *_keypoints.json")
    several = {len(folder.parts) for folder, times in Counter(folder for folder, _ in groups).items() if times > 1}
    entries, around = [], {}
    for (folder, prefix), frames in groups.items():
        apart = isinstance(frames, Path) or len(folder.parts) in several or not folder.parts
        place = tuple(filter(None, (*folder.parts, *([prefix] if apart else []))))
        name = "/".join(place) or raw.resolve().name
        entries.append(Entry(name, frames))
        around[name] = place[:-1]
    if len({bool(folders) and folders[0] in PARTS for folders in around.values()}) > 1:
        raise ValueError(f"of the folders in {raw}, only some are train, val or test; put every clip into one")
    levels = levels_of(list(around.values()))
    table = {name: {"label": ""} | levels.cells(folders) for name, folders in around.items()}
    reasons = [f"{counted(len(others), 'file')} without a frame number before '_keypoints.json': {first_few(others)}"]
    return Found(entries, table, None, reasons if others else [], fractions=False)


def _groups(raw: Path) -> tuple[dict[tuple[Path, str], dict[int, Path | FrameOf] | Path], list[str]]:
    """The frames of each clip by its folder and the start of their names, and the names of files that are left out.

    Files without a number, and those of which the first one holds many frames, are clips of their own.
    """
    groups: dict[tuple[Path, str], dict[int, Path | FrameOf]] = {}
    single: dict[tuple[Path, str], dict[int, Path | FrameOf] | Path] = {}
    others = []
    for file, match in frame_files(raw):
        folder = file.parent.relative_to(raw)
        if match is None and file.name.endswith("_keypoints.json"):
            others.append(file.name)
        elif match is None:
            single[folder, file.stem] = file if frames_in(file) else {0: file}
        elif (frames := groups.setdefault((folder, match[1]), {})).setdefault(int(match[2]), file) != file:
            raise ValueError(f"{file} and {frames[int(match[2])]} are both frame {int(match[2])}")
    for (folder, prefix), frames in groups.items():
        files = [file for file in frames.values() if isinstance(file, Path)]
        if frames_in(files[0]):
            single |= {(folder, file.stem): file for file in files}
        else:
            single[folder, prefix] = frames
    return single, others
