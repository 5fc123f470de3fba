"""File formats of recordings: one module each, and which of them a path has. `kinegraph.data.read` reads it.

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

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import get_args

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
from kinegraph.data.formats.unknown import advice, check_suffix, contents, not_here
from kinegraph.data.reading.clips.recordings import check_readable
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.file_kinds import known_by_name
from kinegraph.data.reading.steps.asked import CLEANING
from kinegraph.data.reading.tables.array_files import HDF5
from kinegraph.messages import did_you_mean

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
# Options of every format. fps, image_size: of all clips, in place of what the files say. units: where the files do not
# say them. up: the vertical axis of the files; clips come with y upward (3D) or downward (2D). resample_fps: the frame
# rate that clips are brought to. labels: the column of labels. labels_file: a CSV with one row per clip. val_share: the
# part of the clips that becomes "val", where they have no split. class_names: a text file of them. names: the form of
# the clips' names, such as "{label}_{subject}", see `clip_names`.
LABELLING = ("labels_file", "val_share", "class_names", "names")
COMMON = ("labels", "fps", "image_size", "units", "up", "resample_fps", *LABELLING, *CLEANING)
BY_ENDING = "ends in"  # the reason where the content decided nothing


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
