"""A labels file, a CSV with one row per clip, joined to the clips of a format.

Rows without the name of a clip are those of the clips that say the same subject, trial and so on, in what is known of
them or in their names.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import product, takewhile
from pathlib import Path

from kinegraph.data.reading.clips.clip_columns import (
    KNOWN,
    MADE,
    MADE_HERE,
    TRIALS,
    Facts,
    facts,
    is_split,
    label_in,
    labels_from,
    named_columns,
)
from kinegraph.data.reading.clips.conventions import names_of_classes
from kinegraph.data.reading.clips.recordings import Item, Recordings, Unread, each_clip
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.steps.clip_names import LABELS, columns_of, key_of, keys_in, with_names
from kinegraph.data.reading.steps.labels_lists import header_of, labels_rows
from kinegraph.messages import composed, counted, did_you_mean, first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip

VIDEO = re.compile(r"\.(mp4|avi|mov|mkv|webm|m4v|mpe?g|wmv)$", re.IGNORECASE)
FILE_ENDING = re.compile(r"\.[A-Za-z]\w{1,8}$")


def with_labels(
    table: Mapping[str, dict[str, str]],
    file: Path,
    stems: Mapping[str, str] | None = None,
    labels: str | None = None,
) -> tuple[dict[str, dict[str, str]], list[str], tuple[str, ...]]:
    """The facts of the clips that the file lists, its columns first; a line on each kind of clip that is left out; and
    on how rows without names were found.

    table: what is known of each clip. stems: names of their files, where clips have other names. labels: the column of
    the labels. Raises ValueError where the file lists none of the clips.
    """
    file = Path(file)  # in Python also a text
    listing, keys, said = _listed(table, file, labels)
    if not any(map(label_in, table.values())):
        listing, more = _with_label(listing, file)
        said += more
    row, ending = (_rows_by(table, listing, keys, file), "") if keys else _rows_by_name(table, listing)
    if ending:
        said += (f"rows of {file.name} name clips without their common ending '{ending}'",)
    row |= {clip: stem for clip, stem in (stems or {}).items() if clip in table and stem in listing}
    both = {clip: table[clip] | listing[key] for clip, key in row.items()}
    if not both:
        way = f"; name clips in a column clip, or say by --names where they name {' and '.join(keys)}" if keys else ""
        raise ValueError(
            f"{file} lists none of the clips, which are {first_few(list(table))}; its own are "
            f"{first_few(list(listing))}{way}"
        )
    clip, key = next(iter(row.items()))
    of_keys = f"rows of {file.name} are those of clips by {' and '.join(keys)}: {clip} is {key} (--names says others)"
    return both, _left_out(table, listing, row, file), (*said, *([of_keys] if keys else []))


def _listed(
    table: Collection[str], file: Path, labels: str | None
) -> tuple[dict[str, dict[str, str]], list[str], tuple[str, ...]]:
    """The rows as of `labels_rows`; where its clips are none of the table, by the column whose cells name most of them.

    Raises ValueError as `labels_rows` does.
    """
    try:
        found, problem = labels_rows(file, labels), None
        if found[1] or _rows_by_name(table, found[0])[0]:
            return found
    except ValueError as error:
        found, problem = None, error
    for column in header_of(file):
        with suppress(ValueError):
            listing, keys, said = labels_rows(file, labels, column)
            if not keys and len(_rows_by_name(table, listing)[0]) * 2 > min(len(table), len(listing)):
                return listing, [], (*said, f"clips are named in the column '{column}' of {file.name}")
    if found is None:
        raise problem or ValueError(f"{file} lists no clips")
    return found


def _left_out(
    table: Mapping[str, Mapping], listing: Mapping[str, Mapping[str, str]], row: Mapping[str, str], file: Path
) -> list[str]:
    """Lines on clips without a row and rows without a clip, and on columns that may hold labels where nothing does."""
    used = {*row.values()}
    unlisted, absent = [clip for clip in table if clip not in row], [key for key in listing if key not in used]
    lines = []
    if unlisted:
        lines += [f"{counted(len(unlisted), 'clip')} that {file.name} does not list: {first_few(unlisted)}"]
    if absent:
        lines += [f"{counted(len(absent), 'clip')} of {file.name} without recording: {first_few(absent)}"]
    columns = next(iter(listing.values()))
    if "label" not in columns and not any(map(label_in, table.values())):
        others = [name for name in columns if not _is_known(name)]
        if others:
            way = f"--labels NAME does, of {first_few(others, 8)}"
            lines += [f"labels: {file.name} does not say which column has them; {way}"]
    return lines


def _is_known(column: str) -> bool:
    return column in (*KNOWN, *TRIALS) or is_split(column)


def _with_label(listing: dict[str, dict[str, str]], file: Path) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """The rows with a label, where one column alone can be that of labels, and a line on it: words that come again."""
    columns = {name: [cells[name] for cells in listing.values()] for name in next(iter(listing.values()))}

    def may_be_labels(name: str) -> bool:
        words = [column for column in columns[name] if column and not re.fullmatch(r"[\W\d]+", column)]
        return not _is_known(name) and 0 < len({*words}) * 2 <= len(columns[name])

    found = list(filter(may_be_labels, columns))
    if "label" in columns or len(found) != 1:
        return listing, ()
    (column,) = found
    named = {
        clip: {"label" if name == column else name: cell for name, cell in cells.items()}
        for clip, cells in listing.items()
    }
    return named, (f"labels: the column '{column}' of {file.name}, as no other can be theirs",)


def _rows_by(
    table: Mapping[str, Mapping[str, str]], listing: Mapping[str, Mapping[str, str]], keys: Sequence[str], file: Path
) -> dict[str, str]:
    """Clip -> its row, by the facts and names of clips. Raises ValueError for a clip of which several rows may be."""
    rows: dict[tuple[int | str, ...], list[str]] = {}
    for name, cells in listing.items():
        rows.setdefault(tuple(key_of(cells[key], key) for key in keys), []).append(name)

    found: dict[str, str] = {}
    listed = [*map(set, zip(*rows, strict=True))]  # the values of each key
    for clip, known in table.items():
        said = [{key_of(cell, key)} if (cell := known.get(key)) else keys_in(clip, key) for key in keys]
        said = [values & possible for values, possible in zip(said, listed, strict=True)]
        its = [name for values in product(*said) for name in rows.get(values, ())]
        if len(its) > 1:
            one, other, *_ = (name for name in listing if name in its)
            message = f"{file}: clip {quoted(clip)} may be {one} or {other}"
            raise ValueError(f"{message}; say by --names what names mean, or name each clip in a column clip")
        found |= dict.fromkeys([clip] * len(its), *its)
    return found


def _rows(clips: Collection[str], listing: Collection[str]) -> dict[str, str]:
    """Clip -> its row, by the whole name, or by the end of a path, such as videos/a.mp4 for a, and class/a.

    The longest end counts that a row and a clip share. It is all of one of the two names, or no other row and no other
    clip has it.
    """
    listed, plain = {composed(key): key for key in listing}, {clip: composed(clip) for clip in clips}
    whole = {*plain.values()}
    paths = {
        key: name if name in whole else FILE_ENDING.sub("", name.replace("\\", "/")) for name, key in listed.items()
    }
    names = {clip: name if name in listed else VIDEO.sub("", name) for clip, name in plain.items()}
    rows, ends = _by_ends(paths), _by_ends(names)
    found = {clip: listed[name] for clip, name in plain.items() if name in listed}
    for end in sorted({*rows} & {*ends}, key=lambda end: -end.count("/")):
        fitting = [key for key in rows[end] if paths[key] == end] or rows[end]
        for clip in ends[end] if len(fitting) == 1 else ():
            if end in (paths[fitting[0]], names[clip]) or len(ends[end]) == 1:
                found.setdefault(clip, fitting[0])
    return found


def _rows_by_name(clips: Collection[str], listing: Collection[str]) -> tuple[dict[str, str], str]:
    """The same; where no clip has a row, without an ending that all of them have, such as _color, and that ending."""
    if found := _rows(clips, listing):
        return found, ""
    alike = takewhile(lambda letters: len({*letters}) == 1, zip(*(clip[::-1] for clip in clips), strict=False))
    common = "".join(letters[0] for letters in alike)[::-1] if len(clips) > 1 else ""
    for cut in reversed([place for place, letter in enumerate(common) if letter in "._-"]):
        ending = common[cut:]
        short = {clip.removesuffix(ending): clip for clip in clips}
        if rows := _rows(short, listing):
            return {short[name]: row for name, row in rows.items()}, ending
    return {}, ""


def _by_ends(names: Mapping[str, str]) -> dict[str, list[str]]:
    """Each name under all ends of its path. names: name -> its path."""
    found: dict[str, list[str]] = {}
    for name, path in names.items():
        parts = path.split("/")
        for start in range(len(parts)):
            found.setdefault("/".join(parts[start:]), []).append(name)
    return found


# ---- clips get a labels file's facts, and a split that is made here --------------------------------------------------
# For formats whose files say such things themselves or nowhere. The recordings are read twice: first for the names of
# all clips and what is known of them, then for coordinates.


def labelled(
    read: Callable[..., Recordings],
    labels_file: Path | None = None,
    val_share: float | None = None,
    class_names: str | None = None,
    look: Callable[[], Recordings] | None = None,
    names: str | None = None,
    labels: str | None = None,
) -> Recordings:
    """The recordings with labels, splits and attributes of a labels file, whose columns come first, and of names.

    read: reads the recordings anew. look: reads the names of the clips only, where coordinates take long; `read` is
    then given the names that are needed. val_share: part of the clips that becomes "val"; for clips without a split.
    names: the form of the clips' names, such as "{label}_{subject}", see `clip_names`.
    labels: the column of the labels file that holds them; without such a file, what is known of the clips by this name.
    Raises ValueError as `with_names`, `with_labels` and `facts` do.
    """
    found = read() if look is None else look()
    own_labels = not {*(columns_of(names) if names else ())} & {*LABELS}
    own_labels &= labels is None and (labels_file is None or not lists_labels(labels_file))
    table, lines, assumed = _known(found, class_names is not None), list[str](), ()
    if labels_file is None:
        table = labels_from(table, labels, "what is known of the clips")
    if class_names is not None and own_labels:
        table, assumed = _numbered_anew(table, found.class_names, class_names)
    if names is not None:
        table, lines = with_names(table, names)
    if labels_file is not None:
        table, more, said = with_labels(table, labels_file, labels=labels)
        lines, assumed = lines + more, assumed + said
    named = found.class_names or None if own_labels else None
    shown = columns_of(names) if names is not None else ()
    known = facts(table, class_names=class_names or named, val_share=val_share)
    unknown = tuple(column for column in known.unknown if column not in shown)
    again = read() if look is None else read(known.clips.keys())
    return replace(
        again,
        clips=each_clip(again.clips, lambda clip: _with_facts(clip, known)),
        count=len(known.clips),
        class_names=known.class_names or again.class_names,
        source="; ".join(filter(None, [_without_split(again.source) if known.note else again.source, known.note])),
        skipped=lambda: again.skipped() + lines + replace(known, unknown=unknown).lines(),
        assumed=again.assumed + assumed + known.assumed,
    )


def lists_labels(file: Path) -> bool:
    """Whether a labels file has a column of labels."""
    return "label" in named_columns(header_of(Path(file))).values()


def _numbered_anew(
    table: dict[str, dict[str, str]], names: Sequence[str], class_names: str
) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """The table with each label's number in `class_names`, and a line where classes have other names.

    names: of the classes in the table, which has their numbers. Raises ValueError for a class that is not in the list,
    where others are.
    """
    given = names_of_classes(class_names, (), ())
    used = {label: names[int(label)] for cells in table.values() if names and (label := cells.get("label"))}
    if {*used.values()} & {*given}:
        if absent := [name for name in used.values() if name not in given]:
            hint = did_you_mean(absent[0], given)
            raise ValueError(f"{class_names} has no class {quoted(absent[0])}, which the recordings have{hint}")
        number = {label: str(given.index(name)) for label, name in used.items()}
        return {clip: cells | {"label": number.get(cells["label"], "")} for clip, cells in table.items()}, ()
    others = [(name, given[int(label)]) for label, name in used.items() if int(label) < len(given)]
    if not others or names[0] == "class 0":
        return table, ()
    return table, (f"classes: by their numbers, so '{others[0][0]}' is '{others[0][1]}' of {class_names}",)


def _without_split(source: str) -> str:
    """The source without what it says of a split that another one replaces."""
    return "; ".join(part for part in source.split("; ") if MADE_HERE not in part)


def _known(found: Recordings, renamed: bool) -> dict[str, dict[str, str]]:
    """What the recordings say of each clip, as cells of a table; the same columns for all of them.

    renamed: whether classes get other names. Raises ValueError then for a clip whose segments name classes, too.
    """
    table: dict[str, dict[str, str]] = {}
    with closing(found.clips) as items:
        for item in items:
            if renamed and isinstance(item, SkeletonClip) and item.segments is not None:
                raise ValueError(f"clip '{item.name}' has segments with classes of their own: leave --class-names out")
            if isinstance(item, SkeletonClip | Unread):
                cells = {f"split_{split}": part for split, part in item.splits.items() if split != MADE}
                cells |= {key: str(value) for key, value in item.attributes.items()}
                table[item.name] = cells if item.label is None else cells | {"label": str(item.label)}
    columns = dict.fromkeys(key for cells in table.values() for key in cells)
    return {name: {key: cells.get(key, "") for key in columns} for name, cells in table.items()}


def _with_facts(clip: SkeletonClip, known: Facts) -> Iterator[Item]:
    if clip.name in known.faults:
        yield Fault(known.faults[clip.name], clip.name, "label")
    elif (about := known.clips.get(clip.name)) is not None:
        facts_of = {"attributes": about.attributes, "splits": about.splits, "fps": about.fps or clip.fps}
        yield replace(clip, label=about.label, image_size=about.image_size or clip.image_size, **facts_of)
