"""File formats of recordings: one module each. Every command reads every path through `recordings` of this file.

A module of FORMATS has

    NAME, TITLE                      the name for --format, and a title for people
    SUFFIXES, BELOW                  the usual ends of its files' names; formats may share one. A file that no `detect`
                                     knows goes to the first in FORMATS that has its end. BELOW: in folders alone
    detect(path) -> str | None       why the path has this format, by its content; None where it has another one
    OWN_NAMES                        True where `detect` knows a file by a name that no other format has: no other
                                     format after it in FORMATS is asked about that file
    read(path, **options)            -> Recordings, whose clips are SkeletonClips and Faults; raises ValueError for a
                                     file of which nothing can be read. Its keyword arguments are its options.
    read_whole(path)                 -> Recordings that `read` cuts into clips, as they are; of few formats

and, where other projects read the format, a function that writes it. A reader goes on behind a fault.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from inspect import signature
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from kinegraph.data.folders import listed_once
from kinegraph.data.formats import (
    aist,
    alphapose,
    amc,
    anipose,
    annotations,
    arrays,
    babel,
    bvh,
    c3d,
    cad,
    chalearn,
    clip_arrays,
    coco,
    deeplabcut,
    detectron,
    egait,
    florence,
    folder,
    frame_arrays,
    irds,
    json_lines,
    kard,
    kimore,
    kinect,
    leap,
    mabe,
    mars,
    mediapipe,
    mmpose,
    motive,
    movement,
    msr,
    msr_daily,
    msrc12,
    mvnx,
    ntu,
    ntu_npy,
    nw_ucla,
    openpose,
    padded,
    panoptic,
    pku_mmd,
    poses,
    qualisys,
    sbu,
    shrec,
    sleap,
    smarthome,
    smpl,
    smpl_tracks,
    split_tables,
    table,
    tfrecord,
    trc,
    uav_human,
    ui_prmd,
    utd_mhad,
    utkinect,
    vicon,
    video,
    videopose3d,
    visual3d,
    yolo,
)
from kinegraph.data.formats.data_frames import as_file, is_frame
from kinegraph.data.formats.unknown import advice, check_suffix, contents, not_here
from kinegraph.data.reading.clips.clip_columns import image_size_of
from kinegraph.data.reading.clips.clip_files import line_on_folders
from kinegraph.data.reading.clips.recordings import Item, Recordings, check_readable, with_somebody
from kinegraph.data.reading.faults import FormatError, OneOfSeveral
from kinegraph.data.reading.files.file_kinds import known_by_name, other_kinds
from kinegraph.data.reading.steps.companion import beside, read_about, with_companion
from kinegraph.data.reading.steps.labels_file import labelled
from kinegraph.data.reading.steps.people import changed_rows, followed
from kinegraph.data.reading.steps.steps import (
    CLEANING,
    OnFault,
    as_asked,
    by_policy,
    check_common,
    checked,
    cleaning,
    mapped,
    mended_lines,
    with_bones,
    with_shares,
    with_sides,
    without_placeholders,
)
from kinegraph.data.reading.steps.unstated import decided
from kinegraph.data.reading.tables.array_files import HDF5
from kinegraph.messages import CONTROL, did_you_mean, first_few, plain_name
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

FORMATS: tuple[ModuleType, ...] = (
    folder, ntu, ui_prmd, arrays, annotations, padded, poses, ntu_npy, tfrecord, babel, openpose, trc, bvh, table,
    json_lines, sleap, deeplabcut, nw_ucla, msr, msr_daily, kard, kimore, utkinect, utd_mhad, uav_human, smarthome,
    florence, cad, sbu, pku_mmd, irds, shrec, msrc12, kinect, leap, c3d, vicon, motive, qualisys, mvnx, visual3d, amc,
    videopose3d, coco, mars, alphapose, mmpose, yolo, mediapipe, video, panoptic, detectron, smpl, anipose,
    movement, aist, clip_arrays, frame_arrays, smpl_tracks, split_tables,
    chalearn, egait, mabe,
)  # fmt: skip
BY_NAME = {module.NAME: module for module in FORMATS}
ALIASES: dict[str, tuple[str, dict[str, object]]] = {
    "ntu60": ("ntu", {"classes": 60}),
    "ntu120": ("ntu", {"classes": 120}),
}
DESCRIBED = (table, arrays, movement)  # formats beside whose files `convert` writes what they have no place for
# Options of every format. fps, image_size: of all clips, in place of what the files say. units: where the files do not
# say them. up: the vertical axis of the files; clips come with y upward (3D) or downward (2D). resample_fps: the frame
# rate that clips are brought to. labels: the column of labels. labels_file: a CSV with one row per clip. val_share: the
# part of the clips that becomes "val", where they have no split. class_names: a text file of them. names: the form of
# the clips' names, such as "{label}_{subject}", see `clip_names`.
LABELLING = ("labels_file", "val_share", "class_names", "names")
COMMON = ("labels", "fps", "image_size", "units", "up", "resample_fps", *LABELLING, *CLEANING)
SAID = ("missing", "network", "way")  # kinds of errors that say all: a package that is missing, a file of weights
BY_ENDING = "ends in"  # the reason where the content decided nothing


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
    found = replace(found, clips=with_somebody(found.clips))
    rest = {name: value for name, value in options.items() if name not in own}
    if module is not folder:
        lines = line_on_folders(path, found) if path.is_dir() else ()
        ends, named = (*module.SUFFIXES, *getattr(module, "BELOW", ())), len(found.class_names) > 1
        others = other_kinds(path, ends, named) if path.is_dir() else []
        found = with_shares(without_placeholders(replace(found, assumed=(*lines, *found.assumed))))
        found = replace(found, skipped=lambda lines=found.skipped: [*lines(), *others])
    return with_companion(about, found, options) if about else found, rest


# ---- which format ----------------------------------------------------------------------------------------------------


Recognised = tuple[ModuleType, str, dict[str, object]]
# Others hold arrays, too, or x and y as MediaPipe's, and lie beside videos. Arrays in HDF5 and pickles are read whole
# to be seen.
ASKED_LAST = (smpl_tracks, poses, clip_arrays, mediapipe, video)


@listed_once()
def recognise(path: Path, format: str | None = None) -> Recognised:
    """The module that reads a path, the reason, and options that the name of the format implies.

    Raises ValueError for a path that no format claims, for one that several do, and for a device or a pipe.
    """
    check_readable(path)
    if format is not None:
        name, fixed = ALIASES.get(format, (format, {}))
        if name not in BY_NAME:
            known = [*ALIASES, *BY_NAME]
            hint = did_you_mean(format.lower(), known) or f"; leave it out, or give one of {', '.join(known)}"
            raise ValueError(f"there is no format '{format}'{hint}")
        module = BY_NAME[name]
        check_suffix(module, path, FORMATS)
        return module, "named by --format", fixed
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}{not_here(path)}")
    if path.is_dir() and (reason := folder.detect(path)):
        return folder, reason, {}  # whatever its texts say
    suffix = path.suffix.lower()
    usual = [module for module in FORMATS if path.is_file() and suffix in module.SUFFIXES]
    claims = _claims(path, usual) or _claims(path, [module for module in FORMATS if module not in usual])
    if len(claims) > 1:
        those = " or ".join(f"{module.NAME} ({reason})" for module, reason in claims)
        names = " or ".join(f"--format {module.NAME}" for module, _ in claims)
        raise ValueError(f"{path} may be {those}: give {names}")
    if claims:
        return *claims[0], {}
    if known := known_by_name(path):
        raise FormatError("unknown", f"{path} is {known}")
    if usual and suffix not in (".txt", *HDF5):  # endings that say nothing
        return usual[0], f"{BY_ENDING} {suffix}", {}
    raise FormatError("unknown", f"{path} is not recognised: {contents(path)}; {advice(path, FORMATS)}")


def _claims(path: Path, modules: Sequence[ModuleType]) -> list[tuple[ModuleType, str]]:
    """The modules that read a path, and why. A format that knows a file by its own name ends the search.

    One of `ASKED_LAST` stands alone, and only where no other format reads the path.
    """
    claims: list[tuple[ModuleType, str]] = []
    for module in (module for module in modules if module not in ASKED_LAST):
        if reason := module.detect(path):
            claims.append((module, reason))
            if path.is_file() and getattr(module, "OWN_NAMES", False):
                break
    for module in ASKED_LAST:
        if not claims and module in modules and (reason := module.detect(path)):
            claims = [(module, reason)]
    return claims


# ---- options ---------------------------------------------------------------------------------------------------------


def options_of(module: ModuleType) -> Mapping[str, object]:
    """The options of a format and their annotations."""
    return {
        name: parameter.annotation
        for name, parameter in signature(module.read).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def check_options(module: ModuleType, options: Mapping[str, object], fixed: Mapping[str, object]) -> None:
    """Raises ValueError for an option, or a value of one, that the format does not have."""
    known = options_of(module)
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name in COMMON and name not in known:
            continue
        if name not in known or name in fixed:
            others = [other.NAME for other in FORMATS if name in options_of(other)]
            raise ValueError(f"{option} is an option for {', '.join(others)}; {module.NAME} has no use for it")
        choices = [choice for kind in (known[name], *get_args(known[name])) for choice in get_args(kind)]
        words = [choice for choice in choices if isinstance(choice, str)]
        if words and isinstance(value, str) and value not in words:
            raise ValueError(f"{option} '{value}' is not for {module.NAME}, expected {' or '.join(words)}")


# ---- clips -----------------------------------------------------------------------------------------------------------


def _named(path: Path, options: Mapping[str, object], error: ValueError) -> ValueError:
    """The error with the path in front, where its message names no file."""
    given = (
        path,
        path.resolve(),
        *(option for option in options.values() if option and isinstance(option, str | Path)),
    )
    message = " ".join(CONTROL.sub(" ", str(error)).split())
    where = "" if any(str(it) in message for it in given) else f"{path}: "
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
