"""A labels file, a CSV with one row per clip, joined to the clips of a format."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from kinegraph.data.formats.clip_columns import MADE, MADE_HERE, Facts, facts, read_labels_file
from kinegraph.data.formats.clip_names import LABELS, columns_of, with_names
from kinegraph.data.formats.conventions import names_of_classes
from kinegraph.data.formats.recordings import Fault, Item, Recordings, Unread
from kinegraph.messages import composed, counted, did_you_mean, first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip

FILE_ENDING = re.compile(r"\.[A-Za-z]\w{1,8}$")


def with_labels(
    table: Mapping[str, dict[str, str]], file: Path, stems: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The facts of the clips that the file lists, its columns first; and a line on each kind of clip that is left out.

    table: what is known of each clip. stems: names of their files, where clips have other names. Raises ValueError
    where the file lists none of them.
    """
    file = Path(file)  # in Python also a text
    listing = read_labels_file(file)
    row = _rows(table, listing)
    row |= {clip: stem for clip, stem in (stems or {}).items() if clip in table and stem in listing}
    both = {clip: table[clip] | listing[key] for clip, key in row.items()}
    if not both:
        raise ValueError(
            f"{file} lists none of the clips, which are {first_few(list(table))}; its own are "
            f"{first_few(list(listing))}"
        )
    unlisted = [clip for clip in table if clip not in row]
    used = {*row.values()}
    absent = [key for key in listing if key not in used]
    lines = []
    if unlisted:
        lines += [f"{counted(len(unlisted), 'clip')} that {file.name} does not list: {first_few(unlisted)}"]
    if absent:
        lines += [f"{counted(len(absent), 'clip')} of {file.name} without recording: {first_few(absent)}"]
    if not any("label" in cells for cells in listing.values()):
        there = first_few(list(next(iter(listing.values()))), 8) or "nothing"
        lines += [f"labels: {file.name} has no column 'label', beside clip it has {there}"]
    return both, lines


def _rows(clips: Collection[str], listing: Collection[str]) -> dict[str, str]:
    """Clip -> its row, by the whole name, by its last part, or by the name of a file, such as videos/a.mp4 for a."""
    listed, plain = {composed(key): key for key in listing}, {clip: composed(clip) for clip in clips}
    exact = {clip: listed[it] for clip in clips for it in (_last(plain[clip]), plain[clip]) if it in listed}
    of_files: dict[str, str] = {}
    taken = {*exact.values()}
    for name, key in listed.items():
        if key not in taken:
            path = FILE_ENDING.sub("", name.replace("\\", "/"))
            of_files |= {_last(path): key, path: key}
    found = {clip: of_files.get(plain[clip]) or of_files.get(_last(plain[clip])) for clip in clips}
    return {clip: row for clip in clips if (row := exact.get(clip) or found[clip])}


def _last(name: str) -> str:
    return name.rpartition("/")[2]


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
) -> Recordings:
    """The recordings with labels, splits and attributes of a labels file, whose columns come first, and of names.

    read: reads the recordings anew. look: reads the names of the clips only, where coordinates take long; `read` is
    then given the names that are needed. val_share: part of the clips that becomes "val"; for clips without a split.
    names: the form of the clips' names, such as "{label}_{subject}", see `clip_names`.
    Raises ValueError as `with_names`, `with_labels` and `facts` do.
    """
    found = read() if look is None else look()
    own_labels = not {*(columns_of(names) if names else ())} & {*LABELS}
    own_labels &= labels_file is None or not lists_labels(labels_file)
    table, lines, assumed = _known(found, class_names is not None), list[str](), ()
    if class_names is not None and own_labels:
        table, assumed = _numbered_anew(table, found.class_names, class_names)
    if names is not None:
        table, lines = with_names(table, names)
    if labels_file is not None:
        table, more = with_labels(table, labels_file)
        lines += more
    named = found.class_names or None if own_labels else None
    shown = columns_of(names) if names is not None else ()
    known = facts(table, class_names=class_names or named, val_share=val_share)
    unknown = tuple(column for column in known.unknown if column not in shown)
    again = read() if look is None else read(known.clips.keys())
    return replace(
        again,
        clips=_with_facts(again.clips, known),
        count=len(known.clips),
        class_names=known.class_names or again.class_names,
        source="; ".join(filter(None, [_without_split(again.source) if known.note else again.source, known.note])),
        skipped=lambda: again.skipped() + lines + replace(known, unknown=unknown).lines(),
        assumed=again.assumed + assumed,
    )


def lists_labels(file: Path) -> bool:
    """Whether a labels file has a column of labels."""
    return any("label" in cells for cells in read_labels_file(Path(file)).values())


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


def _with_facts(items: Iterator[Item], known: Facts) -> Iterator[Item]:
    with closing(items):
        for item in items:
            if not isinstance(item, SkeletonClip):
                yield item
            elif item.name in known.faults:
                yield Fault(known.faults[item.name], item.name, "label")
            elif (about := known.clips.get(item.name)) is not None:
                own: Mapping[str, object] = {
                    "fps": about.fps or item.fps,
                    "image_size": about.image_size or item.image_size,
                }
                yield replace(item, label=about.label, attributes=about.attributes, splits=about.splits, **own)
