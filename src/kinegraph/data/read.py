"""From a path to clips: the format's reader, then the steps of `kinegraph.data.reading.steps`.

Every command reads every path through `recordings`; users do through `read`.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

from kinegraph.data.folders import listed_once
from kinegraph.data.formats import (
    BY_ENDING,
    FORMATS,
    LABELLING,
    Recognised,
    arrays,
    check_options,
    folder,
    movement,
    options_of,
    recognise,
    table,
)
from kinegraph.data.formats.data_frames import as_file, is_frame
from kinegraph.data.formats.unknown import advice, contents
from kinegraph.data.reading.clips.clip_columns import image_size_of
from kinegraph.data.reading.clips.clip_files import line_on_folders
from kinegraph.data.reading.clips.recordings import Item, Recordings, mapped, with_somebody
from kinegraph.data.reading.faults import FormatError, OneOfSeveral
from kinegraph.data.reading.files.file_kinds import known_by_name, other_kinds
from kinegraph.data.reading.steps.asked import as_asked, check_common, cleaning, mended_lines
from kinegraph.data.reading.steps.bones import with_bones, with_sides
from kinegraph.data.reading.steps.companion import beside, read_about, with_companion
from kinegraph.data.reading.steps.faults import OnFault, by_policy, checked
from kinegraph.data.reading.steps.labels_file import labelled
from kinegraph.data.reading.steps.people import changed_rows, followed
from kinegraph.data.reading.steps.placeholders import with_shares, without_placeholders
from kinegraph.data.reading.steps.unstated import decided
from kinegraph.messages import CONTROL, first_few, plain_name
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

DESCRIBED = (table, arrays, movement)  # formats beside whose files `convert` writes what they have no place for
SAID = ("missing", "network", "way")  # kinds of errors that say all: a package that is missing, a file of weights


def read(
    path: Any, format: str | None = None, *, skip_broken: bool = False, **options: object
) -> Iterator[SkeletonClip]:
    """The clips of a file or folder of any known format, read one after another.

    path: also a table of pandas or polars, or a dataset of movement (xarray); see `data_frames`. format: name of the
    format, where the content does not decide it. skip_broken: leave out clips that cannot be read. options: facts that
    the files do not contain, such as layout, and those of COMMON: fps, image_size, units, up, resample_fps.
    Raises ValueError with the file, the place and the cause; also for an option that the format does not have.
    """
    on_fault = "skip" if skip_broken else "stop"
    if is_frame(path):
        return _read_frame(path, format, on_fault, options)
    if not isinstance(path, str | PathLike):
        raise ValueError(f"path is a {type(path).__name__}, expected a path, or a table of pandas or polars")
    found = recordings(path, format, on_fault=on_fault, **options)
    return (item for item in found.clips if isinstance(item, SkeletonClip))


def _read_frame(
    frame: object, format: str | None, on_fault: OnFault, options: Mapping[str, Any]
) -> Iterator[SkeletonClip]:
    with as_file(frame) as file, closing(recordings(file, format, on_fault=on_fault, **options).clips) as clips:
        yield from (item for item in clips if isinstance(item, SkeletonClip))


@listed_once()
def recordings(
    path: str | Path,
    format: str | None = None,
    *,
    on_fault: OnFault = "stop",
    whole: bool = False,
    recognised: "Recognised | None" = None,
    expected: JointLayout | None = None,
    **options: object,
) -> Recordings:
    """The clips of a path with the facts about all of them; see `read`.

    on_fault: "stop" raises ValueError at the first fault, "skip" leaves it out and lists it among `skipped`, "keep"
        gives it among the clips. fps, image_size: options of every format, for clips that do not have them.
        whole: long recordings as they are, where the format's clips are cut out of them.
        recognised: the result of `recognise`, where the caller has it; recognising may look at many files.
        expected: the network's layout, for files that do not state a layout.
    """
    path = Path(path)
    module, reason, fixed = recognised or recognise(path, format)
    options = {name: value for name, value in options.items() if value is not None}
    check_options(module, options, fixed)
    check_common(options)
    asked = {"expected": expected} if expected is not None and "expected" in options_of(module) else {}
    found, rest = _read_by(module, path, reason, options | asked, fixed, whole)
    found = _with_common(path, found, rest, expected)
    broken: list[str] = []
    changed: dict[str, int] = {}  # clip -> frames in which people changed rows
    mended: dict[str, int] = {}  # clip -> frames in which left and right were exchanged back
    empty: dict[str, list[str]] = {}  # reason -> clips that are skipped in any case

    def skipped() -> list[str]:
        lines = [f"{len(names):,} {reason}: {first_few(names)}" for reason, names in empty.items()]
        return found.skipped() + lines + broken

    def clips() -> Iterator[Item]:
        items = checked(found)
        if found.unordered:
            items = followed(items, changed)
        items = as_asked(items, options, mended)
        try:
            with closing(found.clips):
                yield from by_policy(items, on_fault, broken, empty, skipped, found.count)
        except ValueError as error:
            raise _named(path, options, error) from None

    return replace(
        found,
        clips=clips(),
        class_names=tuple(map(plain_name, found.class_names)),
        source="; ".join(filter(None, [found.source, str(cleaning(options) or "")])),
        skipped=skipped,
        changed=lambda: found.changed() + changed_rows(changed) + mended_lines(mended),
        format=module.NAME,
        reason=reason,
    )


def _read_by(
    module: ModuleType, path: Path, reason: str, options: Mapping[str, Any], fixed: Mapping[str, object], whole: bool
) -> tuple[Recordings, Mapping[str, Any]]:
    """What the reader of a format gives, and the options that it does not take. reason, fixed: see `recognise`."""
    takes = {*options_of(module)}
    here = any(name in options and name not in takes for name in ("names", "labels"))
    known = takes
    if here:
        known = takes - {*LABELLING} - ({"labels"} if "labels_file" in options else set())
    own = {name: value for name, value in options.items() if name in known} | fixed
    own = {"labels": ""} | own if whole and module is table else own  # of frames
    reader = getattr(module, "read_whole", module.read) if whole else module.read
    if own and reader is not module.read:
        raise ValueError(f"--{next(iter(own))} is for the clips of {module.NAME}: leave it out with --segments")
    if "split_name" in own and (about := beside(path)).is_file():
        raise ValueError(f"--split-name is for files that do not name their splits; {about} does: leave it out")
    about = read_about(beside(path)) if module in DESCRIBED else {}
    own = {"layout": about["layout"]} | own if about else own
    listed = {name: options[name] for name in (*LABELLING, "labels") if name in options and name not in own}
    try:
        found = labelled(partial(reader, path, **own), **listed) if listed else reader(path, **own)
    except ValueError as error:
        if reason.startswith(BY_ENDING) and getattr(error, "kind", "") not in SAID:  # no format knew the file
            error = ValueError(f"{error}. No format recognises it: {contents(path)}; {advice(path, FORMATS)}")
        if getattr(error, "kind", "") == "empty" and (known := known_by_name(path)):
            error = FormatError("unknown", f"{path} is {known}")
        raise _named(path, options, error) from None
    found = with_somebody(found)
    rest = {name: value for name, value in options.items() if name not in own}
    if module is not folder:
        lines = line_on_folders(path, found) if path.is_dir() else ()
        ends, named = (*module.SUFFIXES, *getattr(module, "BELOW", ())), len(found.class_names) > 1
        others = other_kinds(path, ends, named) if path.is_dir() else []
        found = with_shares(without_placeholders(replace(found, assumed=(*lines, *found.assumed))))
        found = replace(found, skipped=lambda lines=found.skipped: [*lines(), *others])
    return with_companion(about, found, options) if about else found, rest


def _named(path: Path, options: Mapping[str, object], error: ValueError) -> ValueError:
    """The error with the path in front, where its message names no file."""
    given = (
        path,
        path.resolve(),
        *(option for option in options.values() if option and isinstance(option, str | Path)),
    )
    message = " ".join(CONTROL.sub(" ", str(error)).split())
    where = "" if any(str(place) in message for place in given) else f"{path}: "
    kind = OneOfSeveral if isinstance(error, OneOfSeveral) else FormatError
    return kind(getattr(error, "kind", "unreadable"), f"{where}{message}")


def _with_common(path: Path, found: Recordings, options: Mapping[str, Any], expected: JointLayout | None) -> Recordings:
    """The recordings with the facts that were given about them, and with what follows from their coordinates."""
    units = options.get("units")
    if units is not None and units != found.units:
        if "units" not in found.guessed:
            raise ValueError(f"{path} says its units, they are {found.units}: leave --units out")
        found = replace(found, units=units)
    if units is not None:
        found = replace(found, guessed=found.guessed - {"units"})
    if "up" in options:
        found = replace(found, guessed=found.guessed - {"up"})
    size = image_size_of(str(options["image_size"])) if "image_size" in options else None
    facts = {"fps": options.get("fps"), "image_size": size}
    facts = {name: value for name, value in facts.items() if value is not None}
    if facts:
        found = replace(found, clips=mapped(found.clips, lambda clip: replace(clip, **facts)))
    try:
        return decided(with_sides(with_bones(found)), expected, upright="up" in options)
    except ValueError as error:
        raise _named(path, options, error) from None
