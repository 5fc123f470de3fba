"""Recordings with planted faults, written in every format that can hold them."""

import csv
import hashlib
import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kinegraph.data.dataset import write_dataset
from kinegraph.data.formats.ntu import TRAIN_SUBJECTS_60
from kinegraph.data.reading.clips.published_names import ntu_class_names
from kinegraph.data.reading.files.tfrecord_wire import serialize_example, serialize_tensor, write_record
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from kinegraph.synthetic.human import joints_of, random_body, still

LAYOUT = load_layout("ntu25")
CLASSES = ntu_class_names(60)
FRAMES, PEOPLE = 20, 2


@dataclass(frozen=True)
class Clip:
    name: str
    keypoint: np.ndarray
    label: int
    subject: int
    part: str


def recordings() -> list[Clip]:
    """Four actions of eight people who stand upright, sway and turn: 32 clips without fault, some of two people."""
    rng = np.random.default_rng(1)
    rest = joints_of(random_body(rng), still(1))[0].astype(float)
    rest = (rest - (rest.min(0) + rest.max(0)) / 2) * 1.6 / np.ptp(rest[:, 1])
    clips = []
    for subject in (1, 2, 4, 5, 3, 6, 7, 10):
        for action in range(4):
            people, frames = 1 + action % 2, FRAMES - action
            sway = np.cumsum(rng.normal(0, 0.01, (people, frames, 1, 3)), axis=1)
            turn = np.linspace(0, 1 + action, frames)[:, None]
            keypoint = np.broadcast_to(rest, (people, frames, 25, 3)).copy()
            keypoint[..., 0] = rest[:, 0] * np.cos(turn) + rest[:, 2] * np.sin(turn)
            keypoint[..., 2] = rest[:, 2] * np.cos(turn) - rest[:, 0] * np.sin(turn)
            keypoint += sway + rng.normal(0, 0.003, keypoint.shape) + [0, 0, 3]
            keypoint += np.arange(people)[:, None, None, None]
            part = "train" if subject in TRAIN_SUBJECTS_60 else "val"
            name = f"S001C001P{subject:03}R001A{action + 1:03}"
            clips.append(Clip(name, keypoint.astype(np.float32), action, subject, part))
    return clips


# ---- faults ----------------------------------------------------------------------------------------------------------

ODD = 9  # the clip that is broken


def nan(clips: list[Clip]) -> None:
    clips[ODD].keypoint[0, 3, 4, 1] = np.nan


def infinity(clips: list[Clip]) -> None:
    clips[ODD].keypoint[0, 3, 4, 1] = np.inf


def label_60(clips: list[Clip]) -> None:
    clips[ODD] = replace(clips[ODD], label=60)


def joints_24(clips: list[Clip]) -> None:
    clips[ODD] = replace(clips[ODD], keypoint=clips[ODD].keypoint[:, :, :24])


def all_24(clips: list[Clip]) -> None:
    clips[:] = [replace(clip, keypoint=clip.keypoint[:, :, :24]) for clip in clips]


def empty(clips: list[Clip]) -> None:
    clips[ODD].keypoint[:] = 0


def duplicate_name(clips: list[Clip]) -> None:
    clips[ODD] = replace(clips[ODD], name=clips[3].name)


def duplicate_content(clips: list[Clip]) -> None:
    """A recording of train is in val, too."""
    clips[-1] = replace(clips[-1], keypoint=clips[3].keypoint)


def shared_subject(clips: list[Clip]) -> None:
    """A clip of a val subject is in train."""
    clips[-2] = replace(clips[-2], part="train")


def swapped(clips: list[Clip]) -> None:
    clips[ODD] = replace(clips[ODD], keypoint=clips[ODD].keypoint.transpose(3, 1, 2, 0))


def joints_last(clips: list[Clip]) -> None:
    clips[:] = [replace(clip, keypoint=clip.keypoint.swapaxes(2, 3)) for clip in clips]


def millimetres(clips: list[Clip]) -> None:
    clips[:] = [replace(clip, keypoint=clip.keypoint * 1000) for clip in clips]


# ---- formats: each writes clips, broken or not, and returns the path to inspect --------------------------------------


def dataset(folder: Path, clips: list[Clip]) -> Path:
    """A whole dataset folder whose coordinates and table are then changed, as if it had been written like this."""
    path = folder / "dataset"
    layout = LAYOUT
    whole = [
        SkeletonClip(clip.keypoint, layout, clip.name, clip.label, attributes={"subject": clip.subject},
                     splits={"xsub": clip.part}) for clip in recordings()
    ]  # fmt: skip
    write_dataset(path, whole, layout=layout, class_names=CLASSES, units="m", source="made up")
    np.save(
        path / "keypoint.npy", np.concatenate([clip.keypoint.reshape(-1, *clip.keypoint.shape[2:]) for clip in clips])
    )
    rows = list(csv.reader((path / "clips.csv").open()))
    at = {name: i for i, name in enumerate(rows[0])}
    for row, clip in zip(rows[1:], clips, strict=True):
        row[at["name"]], row[at["label"]], row[at["xsub"]] = clip.name, clip.label, clip.part
    with (path / "clips.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    about = json.loads((path / "dataset.json").read_text())
    del about["sha256_of_this"], about["crc32"]
    for name in about["sha256"]:
        about["sha256"][name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    (path / "dataset.json").write_text(json.dumps(about))
    return path


def npz(folder: Path, clips: list[Clip]) -> Path:
    np.savez(
        folder / "own.npz",
        keypoint=np.concatenate([clip.keypoint[0] for clip in clips]),
        length=[clip.keypoint.shape[1] for clip in clips],
        name=[clip.name for clip in clips],
        label=[clip.label for clip in clips],
        subject=[clip.subject for clip in clips],
        train=[clip.part == "train" for clip in clips],
        class_names=list(CLASSES),
        joint_names=list(LAYOUT.joints),
    )
    return folder / "own.npz"


def _annotations(clips: list[Clip]) -> list[dict]:
    return [
        {"frame_dir": clip.name, "label": clip.label, "total_frames": clip.keypoint.shape[1], "keypoint": clip.keypoint}
        for clip in clips
    ]


def annotations(folder: Path, clips: list[Clip]) -> Path:
    split = {f"xsub_{part}": [clip.name for clip in clips if clip.part == part] for part in ("train", "val")}
    content = {"split": split, "annotations": _annotations(clips)}
    (folder / "ntu60_3d.pkl").write_bytes(pickle.dumps(content))
    return folder / "ntu60_3d.pkl"


def lists(folder: Path, clips: list[Clip]) -> Path:
    """MMAction2 0.x: a file a part."""
    for part in ("train", "val"):
        some = [clip for clip in clips if clip.part == part]
        (folder / f"ntu60_xsub_{part}.pkl").write_bytes(pickle.dumps(_annotations(some)))
    return folder


def padded(folder: Path, clips: list[Clip], axes: tuple[int, ...] = (3, 1, 2, 0)) -> Path:
    """2s-AGCN: (N, C, T, V, M)."""
    for part in ("train", "val"):
        some = [clip for clip in clips if clip.part == part]
        array = np.stack([_padded(clip).transpose(axes) for clip in some])
        np.save(folder / f"{part}_data_joint.npy", array)
        labels = ([f"{clip.name}.skeleton" for clip in some], [clip.label for clip in some])
        (folder / f"{part}_label.pkl").write_bytes(pickle.dumps(labels))
    return folder


def _padded(clip: Clip) -> np.ndarray:
    full = np.zeros((PEOPLE, FRAMES, *clip.keypoint.shape[2:]), np.float32)
    full[: len(clip.keypoint), : clip.keypoint.shape[1]] = clip.keypoint
    return full


def not_transposed(folder: Path, clips: list[Clip]) -> Path:
    """As `padded`, but somebody saved (N, M, T, V, C)."""
    return padded(folder, clips, (0, 1, 2, 3))


def tfrecord(folder: Path, clips: list[Clip]) -> Path:
    for part in ("train", "val"):
        with (folder / f"{part}_data_joint-0.tfrecord").open("wb") as file:
            for clip in clips:
                if clip.part == part:
                    tensor = serialize_tensor(_padded(clip).transpose(3, 1, 2, 0))
                    features = {"features": tensor, "label": clip.label, "name": clip.name.encode()}
                    write_record(file, serialize_example(features))
    return folder


def table_csv(folder: Path, clips: list[Clip]) -> Path:
    with (folder / "own.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["clip", "frame", "person", "joint", "x", "y", "z", "label", "subject", "split_xsub"])
        for clip in clips:
            for (person, frame, joint), xyz in zip(
                np.ndindex(clip.keypoint.shape[:3]), clip.keypoint.reshape(-1, 3), strict=True
            ):
                facts = clip.label, clip.subject, clip.part
                rows.writerow([clip.name, frame, person, LAYOUT.joints[joint], *xyz.tolist(), *facts])
    return folder / "own.csv"


def table_json(folder: Path, clips: list[Clip]) -> Path:
    items = [
        {"name": clip.name, "label": clip.label, "keypoint": clip.keypoint.tolist(), "subject": clip.subject,
         "split_xsub": clip.part} for clip in clips
    ]  # fmt: skip
    (folder / "own.json").write_text(json.dumps({"layout": "ntu25", "class_names": list(CLASSES), "clips": items}))
    return folder / "own.json"


def skeleton(folder: Path, clips: list[Clip]) -> Path:
    """NTU RGB+D's raw text. A second clip of one name goes to a subfolder."""
    for clip in clips:
        people, frames, joints, _ = clip.keypoint.shape
        lines = [str(frames)]
        for frame in range(frames):
            seen = [person for person in range(people) if clip.keypoint[person].any()]
            lines.append(str(len(seen)))
            for person in seen:
                lines += [f"7205759403792{person} 0 1 1 1 1 0 0.1 0.1 2", str(joints)]
                lines += [f"{x} {y} {z} 1 1 1 1 1 0 0 0 2" for x, y, z in clip.keypoint[person, frame]]
        name = clip.name if clip.label < 60 else f"{clip.name[:-3]}121"
        file = folder / f"{name}.skeleton"
        if file.exists():
            file = folder / "again" / file.name
            file.parent.mkdir()
        file.write_text("\n".join(lines))
    return folder
