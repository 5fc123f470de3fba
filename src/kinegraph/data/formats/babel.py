"""BABEL from its annotations and the joints of AMASS: labelled segments of motion capture, in chunks of 5 seconds.

    RAW/train.json, val.json          BABEL's annotations;   extra_train.json, extra_val.json with --extra
    RAW/joints/KIT/4/Walk01_poses.npz joints of each sequence, under its path in AMASS (also KIT/KIT/4/..., as there)
    RAW/featp_2_fps.json              frames/s by path, as BABEL publishes it; only for joint files that do not say

A joint file has the array `joints` (T, 73, 3), or `joint_pos` (T, 219) as BABEL's own script writes it: metres, the
joints that the package smplx gives for SMPL-H; and `fps`, or AMASS's `mocap_framerate`. They cannot be shipped: AMASS
holds body parameters, and the body models that turn them into joints have licences of their own.

What is stored are the real frames, in the recording's own coordinates. The published arrays are the same chunks turned
upright, centred and filled to 150 frames by repetition; the recipe does that when a clip is loaded.

Sources: Punnakkal et al. 2021; abhinanda-punnakkal/BABEL, action_recognition/data_gen/{create_dataset,dutils}.py, whose
choice of joints, frames and chunks this follows, so that counts and labels agree.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.reading.clips.conventions import babel_class_names
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.safe_io import read_json
from kinegraph.safe_npz import load_npz
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

Classes = Literal[60, 120]
NAME = "babel"
TITLE = "BABEL with the joints of AMASS"
SUFFIXES, BELOW = (), (".npz",)
SPLIT = "split"
FPS = 30
CHUNK = 150  # frames
LICENCE = "BABEL and AMASS licences (non-commercial scientific research): https://babel.is.tue.mpg.de"
# SMPL-H's joint at each joint of ntu25. The hands are the first joints of the index fingers. The last four are the tips
# of thumb and index finger, so hand tip and thumb have changed places: published like this, and kept.
SMPLH = (0, 3, 12, 15, 16, 18, 20, 22, 17, 19, 21, 37, 1, 4, 7, 10, 2, 5, 8, 11, 9, 63, 64, 68, 69)
SMPLH_JOINTS = 73
RENAMED = {"BioMotionLab_NTroje": "BMLrub", "DFaust_67": "DFaust"}  # folders that AMASS renamed since


@dataclass(frozen=True)
class Segment:
    """A span of a sequence in seconds, and the actions in it."""

    name: str
    start: float
    end: float
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Annotation:
    """What one annotator said about a sequence. joints: path of its file in AMASS. duration: seconds."""

    sequence: int
    joints: str
    duration: float
    part: str
    annotator: str
    segments: tuple[Segment, ...]


def detect(path: Path) -> str | None:
    """A folder with BABEL's train.json and val.json."""
    files = [path / "train.json", path / "val.json"]
    if not all(file.is_file() for file in files):
        return None
    with files[0].open("rb") as file:
        return "holds BABEL's train.json and val.json" if b'"babel_sid"' in file.read(1 << 16) else None


def read(path: Path, *, classes: Classes | None = None, extra: bool = False) -> Recordings:
    """The chunks of all segments, one clip for each of a segment's actions that is among the classes.

    path: folder with the annotations and the joints. classes: 60 (the default) or 120. extra: also the annotations that
    BABEL calls extra. A sequence whose joints are missing or broken is a fault.
    Names and attributes are those that clips of the published arrays get (`padded`), and the file in AMASS.
    """
    counts: Counter[str] = Counter()
    classes = classes or 60
    annotated, names = annotations(path, extra), babel_class_names(classes)
    expected = sum(
        len(chunks(segment, int(FPS * annotation.duration) + 1)) * sum(action in names for action in segment.actions)
        for annotation in annotated
        for segment in annotation.segments
    )
    return Recordings(
        clips=_sequences(path, annotated, {name: i for i, name in enumerate(names)}, counts),
        count=expected,
        layout=load_layout("ntu25"),
        class_names=names,
        units="m",
        source=f"BABEL-{classes}{' with extra annotations' if extra else ''}, joints of AMASS (Punnakkal et al. 2021)",
        licence=LICENCE,
        skipped=lambda: [f"{count:,} {reason}" for reason, count in counts.items() if count],
    )


def read_whole(path: Path) -> Recordings:
    """The sequences as they are, named by their files in AMASS: a table of segments says what is done in them.

    path: as `read`. A sequence whose joints are missing or broken is a fault.
    """
    sequences = {annotation.joints: annotation for annotation in annotations(path)}  # of several annotators once
    rates, layout = _rates(path / "featp_2_fps.json"), load_layout("ntu25")

    def clips() -> Iterator[Item]:
        for name, about in sequences.items():
            try:
                joints = read_joints(path, about, rates)
            except (ValueError, OSError) as error:
                yield fault_of(error)
                continue
            yield SkeletonClip(joints[None], layout, name, fps=float(FPS), splits={SPLIT: about.part})

    source = "BABEL, joints of AMASS (Punnakkal et al. 2021)"
    return Recordings(clips(), len(sequences), layout, (), "m", source, LICENCE)


def _sequences(
    path: Path, annotated: Iterable[Annotation], index: Mapping[str, int], counts: Counter[str]
) -> Iterator[Item]:
    rates = _rates(path / "featp_2_fps.json")
    for annotation in annotated:
        if not any(segment.actions for segment in annotation.segments):
            counts["annotations without an action"] += 1
            continue
        try:
            joints = read_joints(path, annotation, rates)
        except (ValueError, OSError) as error:
            yield fault_of(error)
            continue
        yield from _clips(annotation, joints, index, counts)


def _clips(
    annotation: Annotation, joints: Float[np.ndarray, "T 25 3"], index: Mapping[str, int], counts: Counter[str]
) -> Iterator[SkeletonClip]:
    layout = load_layout("ntu25")
    for segment in annotation.segments:
        for number, frames in enumerate(chunks(segment, len(joints))):
            if segment.actions and not _happens(segment.actions[0], annotation, frames):
                counts["chunks shorter than a frame, without their action"] += 1
                continue
            known = [action for action in segment.actions if action in index]
            counts[f"clips of actions that are not among the {len(index)}"] += len(segment.actions) - len(known)
            name = f"{segment.name}_{annotation.sequence}_{number}_{annotation.annotator}"
            for copy, action in enumerate(known, start=1):
                yield SkeletonClip(
                    keypoint=joints[None, frames.start : frames.stop],
                    layout=layout,
                    name=name if copy == 1 else f"{name}-{copy}",
                    label=index[action],
                    fps=float(FPS),
                    attributes={
                        "segment": segment.name,
                        "sequence": annotation.sequence,
                        "chunk": number,
                        "annotator": annotation.annotator,
                        "amass": annotation.joints,
                    },
                    splits={SPLIT: annotation.part},
                )


def chunks(segment: Segment, frames: int) -> list[range]:
    """The frames of each 5 seconds of a segment, the last ones fewer, in a sequence of so many frames."""
    start, end = max(0, int(FPS * segment.start)), min(int(FPS * segment.end), frames)
    return [range(first, min(first + CHUNK, end)) for first in range(start, end, CHUNK)]


def _happens(action: str, annotation: Annotation, frames: range) -> bool:
    """Whether any segment has the action in one of these frames. A frame counts by the moment when it begins."""
    moments = np.arange(frames.start, min(frames.stop, int(FPS * annotation.duration))) / FPS
    return any(
        ((segment.start <= moments) & (moments < segment.end)).any()
        for segment in annotation.segments
        if action in segment.actions
    )


# ---- annotations -----------------------------------------------------------------------------------------------------


def annotations(path: Path, extra: bool = False) -> list[Annotation]:
    """All annotations of a folder, train before val and extra ones last.

    A sequence's frame labels are taken where it has some, else the label of the whole sequence; extra annotations are
    taken of the same kind as the sequence's own. Raises ValueError naming the file and sequence that is not as BABEL's.
    """
    if not path.is_dir():
        raise ValueError(f"{path} is no folder; give the one that holds BABEL's train.json and val.json")
    found: list[Annotation] = []
    kinds: dict[int, str] = {}
    for prefix in ("", "extra_") if extra else ("",):
        for part in ("train", "val"):
            file = path / f"{prefix}{part}.json"
            found += annotations_of_file(file, part, kinds)
    return found


def annotations_of_file(file: Path, part: str = "", kinds: dict[int, str] | None = None) -> list[Annotation]:
    """The annotations of one file. kinds: which labels each sequence's own annotation has, filled as they come."""
    found: list[Annotation] = []
    for sequence, about in _json(file).items():
        try:
            found += _of_sequence(about, part, {} if kinds is None else kinds)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{file}: sequence {sequence} is not as BABEL writes it: {reason}") from None
    return found


def _of_sequence(about: Mapping, part: str, kinds: dict[int, str]) -> list[Annotation]:
    """The annotations of one entry. kinds: which labels each sequence's own annotation has, filled as they come."""
    number, several = int(about["babel_sid"]), "frame_anns" in about or "seq_anns" in about
    frame, whole = ("frame_anns", "seq_anns") if several else ("frame_ann", "seq_ann")
    kind = kinds.setdefault(number, "frame" if about[frame] is not None else "whole")
    chosen = about[frame if kind == "frame" else whole] or []
    duration = _seconds(about["dur"])
    return [
        Annotation(
            sequence=number,
            joints=str(about["feat_p"]),
            duration=duration,
            part=part,
            annotator=str(one["anntr_id"]),
            segments=tuple(_segment(label, duration if kind == "whole" else None) for label in one["labels"]),
        )
        for one in (chosen if several else [chosen] if chosen else [])
    ]


def _segment(label: Mapping, duration: float | None) -> Segment:
    """One label; with a duration it is of the whole sequence."""
    start, end = (0.0, duration) if duration is not None else (_seconds(label["start_t"]), _seconds(label["end_t"]))
    return Segment(str(label["seg_id"]), start, end, tuple(map(str, label["act_cat"] or ())))


def _seconds(number: float) -> float:
    seconds = float(number)
    if not math.isfinite(seconds):
        raise ValueError(f"a time is {seconds}")
    return seconds


def _json(file: Path) -> dict:
    content = read_json(file)
    if not isinstance(content, dict):
        raise ValueError(f"{file} is a JSON {type(content).__name__}, expected an object with one entry per sequence")
    return content


# ---- joints ----------------------------------------------------------------------------------------------------------


def read_joints(path: Path, annotation: Annotation, rates: Mapping[str, float]) -> Float[np.ndarray, "T 25 3"]:
    """A sequence's joints in ntu25's order at 30 frames/s. Raises ValueError naming what is missing or not as expected.

    rates: frames/s by the sequence's path in AMASS, for files that do not say.
    """
    file = _joint_file(path, annotation)
    keys = ("fps", "mocap_framerate", "mocap_frame_rate")
    arrays = load_npz(file, ("joints", "joint_pos", *keys))
    joints = next((arrays[key] for key in ("joints", "joint_pos") if key in arrays), None)
    fps = next((arrays[key] for key in keys if key in arrays), rates.get(annotation.joints))
    if joints is None:
        raise ValueError(f"{file} has no array 'joints' (T, {SMPLH_JOINTS}, 3)")
    if joints.ndim == 2 and joints.shape[1] % 3 == 0:
        joints = joints.reshape(len(joints), -1, 3)
    if joints.ndim != 3 or joints.shape[1] <= max(SMPLH) or joints.shape[2] != 3 or joints.dtype.kind != "f":
        raise ValueError(
            f"{file}: the joints are {joints.dtype} {joints.shape}, expected floats (T, {SMPLH_JOINTS}, 3) of SMPL-H"
        )
    if fps is None:
        raise ValueError(f"{file} has no 'fps' or 'mocap_framerate', and featp_2_fps.json does not name the sequence")
    fps = np.asarray(fps)
    if fps.size != 1 or fps.dtype.kind not in "iuf" or not 1 <= fps.item() < math.inf:
        raise ValueError(f"{file}: the frame rate is {fps}, expected one number of frames/s")
    return joints[at_30_fps(len(joints), fps.item())][:, SMPLH].astype(np.float32)


def _joint_file(path: Path, annotation: Annotation) -> Path:
    parts = PurePosixPath(annotation.joints).parts
    if len(parts) < 3 or ".." in parts or parts[0] == "/":
        raise ValueError(f"sequence {annotation.sequence}: '{annotation.joints}' is no path of AMASS")
    collection, subject, name = parts[-3:]
    paths = [parts, (collection, subject, name), (RENAMED.get(collection, collection), subject, name)]
    files = [path.joinpath("joints", *some) for some in paths]
    if (there := next((file for file in files if file.is_file()), None)) is None:
        raise ValueError(f"there is no {files[-1]}, the joints of sequence {annotation.sequence} ({annotation.part})")
    return there


def at_30_fps(frames: int, fps: float) -> Int[np.ndarray, "t"]:
    """The frames to take of a recording so that 30 make a second.

    Every second, third ... one where 30 goes into the rate; else in each second the 30 frames just before those
    moments, a second being the whole number of frames below the rate.
    """
    second = int(fps)
    if second % FPS == 0:
        return np.arange(0, frames, second // FPS)
    taken = np.floor(fps / FPS * np.arange(FPS)).astype(int)
    taken = (np.arange(0, frames, second)[:, None] + taken).ravel()
    return taken[taken < frames]


def _rates(file: Path) -> dict[str, float]:
    return _json(file) if file.is_file() else {}
