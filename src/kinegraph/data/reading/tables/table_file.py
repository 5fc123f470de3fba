"""What a file of own recordings holds, a table or a JSON; and a folder of such files as one.

In a folder every file has a clip or several; clips take their names from the files where the tables give none, or give
one name in several files. Folders CLASS/FILE, and train/CLASS/FILE, give labels and parts where no file does.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from kinegraph.data.folders import files_below, one_by_one
from kinegraph.data.reading.clips.clip_columns import ALIASES, labels_from, named_columns, plain_column
from kinegraph.data.reading.clips.clip_files import levels_of
from kinegraph.data.reading.clips.recordings import UNITS
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.files.columnar import COLUMNAR
from kinegraph.data.reading.files.csv_rows import NO_TEXT, said_in_comments
from kinegraph.data.reading.files.excel import other_sheets
from kinegraph.data.reading.files.file_kinds import is_other_json
from kinegraph.data.reading.files.json_rows import ENDINGS as JSON
from kinegraph.data.reading.files.json_rows import LINES, TEXTS, first_record, lists_records, read_records
from kinegraph.data.reading.joints.axes import FRAMES_FIRST
from kinegraph.data.reading.joints.named_joints import bones_line, in_order, layout_of_table
from kinegraph.data.reading.tables.named_arrays import meaning
from kinegraph.data.reading.tables.numbered_columns import LINE as OF_NUMBERS
from kinegraph.data.reading.tables.table_csv import ClipRows, columns_of_table, read_rows, scan
from kinegraph.data.reading.tables.table_forms import face_of, may_be_scored, parted, rate_by_times
from kinegraph.data.reading.tables.table_json import ALONE, FLAT_FROM, is_clip, load_json
from kinegraph.messages import first_few
from kinegraph.safe_io import parsed_json, read_json
from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import JointLayout

IN_FOLDERS = (".csv", ".tsv", *JSON, *NO_TEXT)  # a .txt is too often something else
LOOKED_AT = 100
OF_OPENSIM = (".sto", ".mot")  # with positions of markers or bodies; others have angles
TABLES = (".csv", ".tsv", ".txt", *OF_OPENSIM, *NO_TEXT)
OF_MARS = re.compile(rb'"keypoints"\s*:\s*\[\s*\[\s*\[\s*\[\s*-?[\d.e+-]+\s*(,\s*-?[\d.e+-]+\s*){6}\]\s*,\s*\[')
CLIP = re.compile(rb'"(%s)"\s*:\s*(\[\s*){3,4}(-?\d|null|NaN)' % "|".join(ALONE).encode())
OF_AXES = re.compile(rb'"([\w ]{0,40}[_ -])?[xX]\w{0,12}"\s*:\s*\[\s*\[\s*(-?\d|null|NaN)')
FLAT = re.compile(  # one object of single facts and an array of rows of numbers
    rb'\s*\{(\s*"[^"]{1,60}"\s*:\s*("[^"]{0,200}"|[^\[{",]{1,40}|\[[^\[\]{]{0,2000}\])\s*,)*\s*"(%s)"\s*:\s*\[\s*\[(\s*-?[\d.]+([eE]-?\d+)?\s*,){%d}'
    % ("|".join(ALONE).encode(), FLAT_FROM - 1)
)
CLIPS = re.compile(rb'"clips"\s*:\s*\[')
OF_COMMENTS = {  # what comments above a table may say
    "fps": (
        "frame_rate",
        "framerate",
        "sampling_rate",
        "sampling_frequency",
        "sample_rate",
        "frequency",
        "rate",
        "hz",
        "capture_rate",
    ),
    "label": ALIASES["label"],
    "subject": ALIASES["subject"],
    "image_size": ("resolution", "size", "frame_size", "video_size"),
    "width": ("image_width", "frame_width", "video_width"),
    "height": ("image_height", "frame_height", "video_height"),
    "units": ("unit", "length_units"),
}
SIZE = re.compile(r"(\d{2,5})\s*[x×*]\s*(\d{2,5})")
RATE = re.compile(r"\d+(\.\d+)?")
SAME = ("layout", "channels", "fps", "units", "image_size", "class_names")  # of all files of a folder


@dataclass(frozen=True, eq=False)
class TableFile:
    """What a file of either kind holds; what it says of all clips is None where it does not."""

    rows: Iterator[ClipRows | Fault]
    facts: dict[str, dict[str, str]]
    layout: JointLayout
    channels: int
    unknown: list[str]
    fps: float | None = None
    units: str | None = None
    image_size: str | None = None
    class_names: tuple[str, ...] | None = None
    guessed: bool = False  # the layout, from the number of joints
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unordered: bool = False  # nothing says who is who from frame to frame
    scored: bool = False  # the third number of a joint may be its score


def open_table(
    path: Path,
    layout: str | JointLayout | None,
    people: int | None,
    expected: JointLayout | None,
    label: str | None,
) -> TableFile:
    """Open a file or a folder of files; coordinates are read later. Raises ValueError naming the file.

    expected: the layout of the network that is asked. label: the column of labels, where its name does not say it.
    """
    if path.is_dir():
        paths = tables_below(path)
        return _joined(path, paths, [open_table(file, layout, people, expected, label) for file in one_by_one(paths)])
    as_rows = path.suffix.lower() in TABLES and not _has_a_clip_a_row(path)
    if as_rows or (path.suffix.lower() in JSON and columns_of_table(path)):
        found = scan(path, label)
        of = layout_of_table(path, found.joints, found.channels, layout, expected)
        rows, numbered = read_rows(path, found, of, people), all(map(str.isdecimal, found.joints))
        file = TableFile(rows, found.facts, of, found.channels, found.unknown, guessed=numbered and layout is None)
        assumed = bones_line(of) + _unseen(found.joints, of, layout) + parted(path, len(found.facts), label)
        scored = may_be_scored(path)
        assumed += (OF_NUMBERS,) if scored else ()
        file = replace(file, scored=scored, left_out=face_of(path) + other_sheets(path), assumed=assumed)
        return _with_rate(path, _with_comments(path, file))
    if path.suffix.lower() not in (*JSON, *COLUMNAR, *TEXTS):
        raise ValueError(f"{path} ends in '{path.suffix}', expected .csv, .json or .npz")
    found = load_json(path, layout)
    facts = labels_from(found.facts, label, path)
    rows, said = found.clips(people), (found.fps, found.units, found.image_size, found.class_names)
    assumed = (FRAMES_FIRST,) * found.frames_first + bones_line(found.layout)
    assumed += _unseen(found.names, found.layout, layout) if found.names else ()
    file = TableFile(rows, facts, found.layout, found.channels, [], *said, found.guessed, assumed)
    scored = found.channels == 3 and found.units is None and not any("score" in item for item in found.items)
    return replace(file, left_out=found.left_out, unordered=True, scored=scored)


def _unseen(joints: Sequence[str], of: JointLayout, given: str | JointLayout | None) -> tuple[str, ...]:
    """A line where a layout was recognised by some of its joints alone, or has none of their names."""
    if in_order(joints, of):
        return (f"joints in the order of the table, as layout '{of.name}' has none of their names",)
    there = {plain_joint(name) for name in joints}
    if given is not None or all(map(str.isdecimal, joints)):
        return ()
    unseen = [name for name in of.joints if plain_joint(name) not in there]
    line = f"layout '{of.name}' by {len(joints)} of its joints; never seen: {first_few(unseen)} (--layout)"
    return (line,) if unseen else ()


def _with_comments(path: Path, file: TableFile) -> TableFile:
    """The table with what the comments above its header say of its clips, where no column says it; and what else is."""
    said = said_in_comments(path)
    plain = {name: plain_column(re.sub(r"\s*[(\[].*", "", name)) for name in said}
    named = {name: column for column, names in OF_COMMENTS.items() for name in said if plain[name] in (column, *names)}
    units = next((said[name] for name, column in named.items() if column == "units" and said[name] in UNITS), None)
    cells = {column: said[name] for name, column in named.items() if column != "units"}
    if size := SIZE.search(cells.pop("image_size", "")):
        cells |= {"width": size[1], "height": size[2]}
    if "fps" in cells and (rate := RATE.match(cells["fps"])):
        cells["fps"] = rate[0]
    stated = {name for clip in file.facts.values() for name in _named(clip)}
    cells = {column: cell for column, cell in cells.items() if column not in stated}
    read = [f"{column} {cell}" for column, cell in cells.items()] + ([f"units {units}"] if units else [])
    others = [f"# {name}: {value}" for name, value in said.items() if name not in named]
    return replace(
        file,
        facts={name: clip | cells for name, clip in file.facts.items()},
        units=file.units or units,
        assumed=(*file.assumed, *([f"by the comments above the table: {', '.join(read)}"] if read else [])),
        left_out=(*file.left_out, *([f"comments above the table: {first_few(others)}"] if others else [])),
    )


def _with_rate(path: Path, file: TableFile) -> TableFile:
    """The table with the frame rate that its times say, where no column says it."""
    if (said := rate_by_times(path)) is None or any("fps" in _named(cells) for cells in file.facts.values()):
        return file
    column, rate = said
    facts = {name: cells | {"fps": f"{rate:g}"} for name, cells in file.facts.items()}
    line = f"{rate:g} frames a second by the column '{column}' (--fps)"
    unknown = [name for name in file.unknown if name != column]
    return replace(file, facts=facts, unknown=unknown, assumed=(*file.assumed, line))


def _has_a_clip_a_row(path: Path) -> bool:
    """Whether the rows of a table hold the joints of a clip each, in nested lists."""
    return path.suffix.lower() in (*COLUMNAR, *TEXTS) and is_clip(first_record(path))


def looks_like_a_table(path: Path) -> str | None:
    """Why a file is one of own recordings: its header, or a list of clips at its start; None where it is not."""
    if path.suffix.lower() in JSON:
        clips = _holds_clips(path)
        columns = [] if clips else columns_of_table(path)
        return clips or (columns and f"a table as JSON, with the columns {', '.join(columns)}") or None
    if path.suffix.lower() in TABLES and (columns := columns_of_table(path)):
        return f"a table with the columns {', '.join(columns)}"
    return "a table with a clip in each row" if _has_a_clip_a_row(path) else None


def _holds_clips(path: Path) -> str | None:
    """Why a JSON holds clips; one that begins as an object is not read as a whole."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
        if path.suffix.lower() not in LINES:
            if CLIPS.search(head):
                return "a JSON file with clips"
            if OF_AXES.search(head):
                return _is_of_axes(path)
            if FLAT.match(head):
                return "a JSON file of a clip, a row of numbers a frame"
            if not CLIP.search(head) or OF_MARS.search(head) or is_other_json(head):
                return None
            if head.lstrip().startswith(b"{") and not lists_records(path, head):
                return "a JSON file of a clip"
        elif not CLIP.search(head) and not OF_AXES.search(head):
            return None
        file.seek(0)
        line = file.readline()
    with suppress(ValueError):
        if lists_records(path, head) and not head.lstrip().startswith(b"["):
            return "one clip as JSON per line" if is_clip(parsed_json(line.strip().rstrip(b","), path)) else None
        content = read_json(path)
        if isinstance(content, list) and content and all(map(is_clip, content)):
            return "a JSON file with a list of clips"
    return None


def _is_of_axes(path: Path) -> str | None:
    """Why a JSON holds clips whose x, y and z stand apart."""
    with suppress(ValueError):
        content = read_records(path)
        values = list(content.values()) if isinstance(content, Mapping) else content
        if is_clip(content) or (isinstance(values, list) and values and all(map(is_clip, values))):
            return "a JSON file of clips whose x and y stand apart"
    return None


def tables_below(folder: Path) -> list[Path]:
    """The files of own recordings in a folder, at any depth."""
    return [path for path in _candidates(folder) if looks_like_a_table(path)]


def first_table_below(folder: Path) -> Path | None:
    """The first of them, if it is among the first files that may be one: other formats have a million JSON files."""
    return next((path for path in islice(_candidates(folder), LOOKED_AT) if looks_like_a_table(path)), None)


def _candidates(folder: Path) -> Iterator[Path]:
    for path in files_below(folder, "*.*"):
        if path.suffix.lower() in IN_FOLDERS and path.is_file():
            yield path


# ---- folders ---------------------------------------------------------------------------------------------------------


def _joined(folder: Path, paths: Sequence[Path], files: Sequence[TableFile]) -> TableFile:
    if not files:
        raise ValueError(f"{folder} holds no table with the columns clip, frame, joint, x, y and no JSON of clips")
    first = files[0]
    for path, file in zip(paths, files, strict=True):
        if wrong := [key for key in SAME if getattr(file, key) != getattr(first, key)]:
            what = wrong[0].replace("_", " ")
            raise ValueError(f"{path} has another {what} than {paths[0]}: prepare them one by one")
    names = _names(folder, paths, files)
    own = [{name: _named(cells) for name, cells in file.facts.items()} for file in files]
    stated = {column for cells in chain.from_iterable(clips.values() for clips in own) for column in cells}
    levels = levels_of([path.relative_to(folder).parts[:-1] for path in paths])
    parts = [meaning(path.stem)[1] for path in paths]
    by_names = all(parts) and len({*parts}) > 1 and levels.part is None and "split" not in stated
    facts: dict[str, dict[str, str]] = {}
    for path, part, clips, named in zip(paths, parts, own, names, strict=True):
        place = levels.cells(path.relative_to(folder).parts[:-1])
        place |= {"split": part} if by_names else {}
        said = {column: cell for column, cell in place.items() if column not in stated}
        facts |= {named[name]: said | cells for name, cells in clips.items()}
    columns = dict.fromkeys(column for cells in facts.values() for column in cells)
    return replace(
        first,
        rows=chain.from_iterable(map(_renamed, (file.rows for file in files), names)),
        facts={name: {column: cells.get(column, "") for column in columns} for name, cells in facts.items()},
        unknown=list(dict.fromkeys(chain.from_iterable(file.unknown for file in files))),
        guessed=any(file.guessed for file in files),
        unordered=any(file.unordered for file in files),
        scored=all(file.scored for file in files),
        assumed=tuple(dict.fromkeys(chain.from_iterable(file.assumed for file in files)))
        + (f"parts of a split by the names of files: {first_few([path.name for path in paths])}",) * by_names,
        left_out=tuple(dict.fromkeys(chain.from_iterable(file.left_out for file in files))) + _others(folder, paths),
    )


def _others(folder: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    """A line on tables in a folder that are none of joints, such as one of labels."""
    read = {*paths}
    tables = [path for path in _candidates(folder) if path.suffix.lower() in TABLES and path not in read]
    named = first_few([path.relative_to(folder).as_posix() for path in tables])
    return (f"tables without joints: {named}; --labels-file FILE reads labels",) if tables else ()


def _names(folder: Path, paths: Sequence[Path], files: Sequence[TableFile]) -> list[dict[str, str]]:
    """Of each file: the name of a clip in it -> the one in the folder, which no other clip has."""
    times = Counter(chain.from_iterable(file.facts for file in files))
    found = []
    for path, file in zip(paths, files, strict=True):
        place = path.relative_to(folder).with_suffix("").as_posix()
        of_file = {path.stem: place}  # one that is named after its file
        found.append(
            {name: of_file.get(name) or (name if times[name] == 1 else f"{place}/{name}") for name in file.facts}
        )
    return found


def _named(cells: Mapping[str, str]) -> dict[str, str]:
    named = named_columns(list(cells))
    return {named[column]: cell for column, cell in cells.items()}


def _renamed(rows: Iterator[ClipRows | Fault], names: Mapping[str, str]) -> Iterator[ClipRows | Fault]:
    for clip in rows:
        if isinstance(clip, Fault):
            yield replace(clip, clip=names.get(clip.clip, clip.clip))
        else:
            yield replace(clip, name=names[clip.name])
