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
Files with other names that end in a number, and one file of many frames (a list, or an object by the names of pictures,
as AlphaPose's --format open and cmu write it), are read, too.

Source: feeder_kinetics.py of yysijie/st-gcn; doc/02_output.md of OpenPose.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from kinegraph.data.cluster import Cluster
from kinegraph.data.formats.openpose_clips import (
    Entry,
    first_frame_file,
    frame_folders,
    is_clip,
    is_frame,
    kinetics,
    kinetics_folders,
)
from kinegraph.data.formats.openpose_files import (
    Bodies,
    best_of_each_frame,
    detections,
    further_parts,
    only_in_space,
    poses,
    tracked,
)
from kinegraph.data.pool import cores, in_order
from kinegraph.data.reading.clips.clip_columns import Facts, facts
from kinegraph.data.reading.clips.openpose_parts import BODIES, Part, layout_with
from kinegraph.data.reading.clips.recordings import Item, Recordings, Unread, fault_of, spread
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.steps.labels_file import with_labels
from kinegraph.data.reading.steps.people import further_people
from kinegraph.messages import counted, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME = "openpose"
TITLE = "JSON of OpenPose or Kinetics-skeleton"
SUFFIXES = ()
BodyPolicy = Literal["tracked", "score"]
POLICIES = {"tracked": tracked, "score": best_of_each_frame}
KINETICS_SIZE, KINETICS_FPS = (340, 256), 30.0


def detect(path: Path) -> str | None:
    """A folder of Kinetics-skeleton, or one with files of OpenPose's frames at any depth; or one such file."""
    if path.is_file():
        if path.suffix.lower() != ".json":
            return None
        if is_frame(path):
            return "one frame or many, as OpenPose writes them"
        return "a clip of Kinetics-skeleton" if is_clip(path) else None
    if kinetics_folders(path):
        return "holds JSON files of Kinetics-skeleton"
    named = first_frame_file(path)
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
    workers: int | Cluster | None = None,
    sample: int | None = None,
    parts: Sequence[Part] | None = None,
) -> Recordings:
    """The clips of a Kinetics-skeleton folder or of folders of OpenPose's frames, or of one file of either.

    people: bodies a clip has, 2 by default, the best first. bodies: "tracked" follows people from frame to frame,
        "score" takes the best of each frame, as the published reader does. labels_file: CSV with one row per clip.
    sample: read the joints of so many clips only. parts: hands and face besides the body.
    image_size: of frames in pixels, "1920x1080". val_share: part of the clips for validation where nothing gives a
        split. workers: processes, or a cluster; None is one a core.
    Raises ValueError naming the file and what is not as expected.
    """
    if people is not None and people < 1:
        raise ValueError(f"{counted(people, 'person', 'people')} cannot be kept; give 1 or more")
    if isinstance(workers, int) and workers < 1:
        raise ValueError(f"{workers} workers cannot read anything; give 1 or more")
    if not path.exists():
        raise ValueError(f"no folder {path}; give the one with kinetics_train/, or with folders of *_keypoints.json")
    found = kinetics(path) or frame_folders(path)
    table, reasons, said = found.table, list(found.left_out), ()
    if labels_file is not None:
        table, more, said = with_labels(table, labels_file)
        reasons += more
    known = facts(
        table,
        class_names=class_names or (found.class_names if labels_file is None else None),
        val_share=val_share,
        fps=fps or (KINETICS_FPS if found.fractions else None),
        image_size=image_size or ("{}x{}".format(*KINETICS_SIZE) if found.fractions else None),
    )
    entries = [entry for entry in found.entries if entry.name in table]
    body, there = _body_of(path, entries)
    reasons += _unread_parts(path, there, parts or ())
    layout = layout_with(body, parts or ())
    read = partial(_bodies, joints=len(body), parts=parts or (), people=people or 2, choose=POLICIES[bodies])
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
        changed=known.lines,
        assumed=said,
        guessed=frozenset() if found.fractions else frozenset(("units",)),  # OpenPose may write fractions
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


def _bodies(entry: Entry, joints: int, parts: Sequence[Part], people: int, choose: Callable) -> Bodies | str:
    """The bodies of a clip, or what is wrong with its files."""
    try:
        return choose(detections(entry.name, entry.files, joints, parts), people)
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    except ValueError as error:
        return str(error)


def _body_of(raw: Path, entries: Sequence[Entry]) -> tuple[JointLayout, list[str]]:
    """The layout, by the number of joints of the first person there is, and the further parts that come with it."""
    first: Exception | None = None
    for entry in entries:
        try:
            joints = next((len(pose) for _, people, _ in poses(entry.files) for pose in people), 0)
            if joints in BODIES:
                return load_layout(BODIES[joints]), further_parts(entry.files)
        except (ValueError, OSError) as error:
            first = first or error
            continue
        if joints:
            raise ValueError(
                f"clip {quoted(entry.name)} in {raw} has {counted(joints, 'joint')}, expected OpenPose's 18 or 25"
            )
    if first:
        raise ValueError(str(fault_of(first)))
    deep = any(only_in_space(entry.files) for entry in entries)
    hint = ", it has pose_keypoints_3d alone: run OpenPose with --write_json and without --3d" if deep else ""
    raise ValueError(f"none of the {len(entries):,} clips in {raw} shows a person{hint}")


def _unread_parts(raw: Path, there: Sequence[str], parts: Sequence[Part]) -> list[str]:
    """The line on hands and faces that are not read. Raises ValueError for parts that were asked for in vain."""
    if absent := [part for part in parts if part != "body" and part not in there]:
        raise ValueError(f"{raw} has no {absent[0]}: its first person has the {' and '.join(('body', *there))}")
    unread = [part for part in there if part not in parts]
    if not unread:
        return []
    return [f"{' and '.join(unread)}, which OpenPose wrote too; --parts {' '.join(unread)} reads them"]
