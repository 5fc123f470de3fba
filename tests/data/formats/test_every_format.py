"""Every format with files that are empty, cut, changed or hostile: clips, faults, or one line that names the file."""

import os
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from kinegraph.data.formats import FORMATS, recognise
from kinegraph.data.read import recordings
from kinegraph.data.reading.faults import Fault
from kinegraph.skeleton.clip import SkeletonClip
from tests.data import faulty
from tests.data.formats import written


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def packed(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def with_beside(beside: Path, text: str, path: Path, content: str) -> Path:
    """A file that is read with another one."""
    written(beside, text)
    return written(path, content)


def nw_ucla(folder: Path, it: ModuleType) -> Path:
    content = {"file_name": "a01_s01_e00_v01", "skeletons": it.JOINTS.tolist(), "label": 1}
    return written(folder / "a01_s01_e00_v01.json", content)


def mmpose(folder: Path, it: ModuleType) -> Path:
    frames = [{"frame_id": t, "instances": list(map(it.instance, who))} for t, who in enumerate(it.walking())]
    return written(folder / "video.json", frames)


# Format -> what writes good files of it into a folder, by the module of its tests, which may need another package.
# A format whose files need a whole folder has such tests of its own.
OF_TESTS = {
    "aist": lambda folder, it: it.write(folder / f"{it.NAME}.pkl"),
    "alphapose": lambda folder, it: it.alphapose(folder),
    "amc": lambda folder, it: it.write(folder),
    "anipose": lambda folder, it: it.write(folder / "walk.csv"),
    "bvh": lambda folder, it: written(folder / "walk.bvh", it.WALK),
    "c3d": lambda folder, it: it.write(folder / "walk.c3d"),
    "cad": lambda folder, it: it.written(folder / "0512164529.txt"),
    "chalearn": lambda folder, it: it.write(folder),
    "clip-arrays": lambda folder, it: packed(folder / "all.npz", x=it.CLIPS, y=it.LABELS),
    "coco": lambda folder, it: written(folder / "a.json", it.coco(it.walking())),
    "deeplabcut": lambda folder, it: written(folder / "mice.csv", it.TWO),
    "detectron": lambda folder, it: written(folder / "walk.json", it.instances()),
    "egait": lambda folder, it: it.write(folder / "features.h5"),
    "florence": lambda folder, it: written(folder / "Florence_dataset_WorldCoordinates.txt", it.ROWS),
    "split-tables": lambda folder, it: it.write(folder / "take1"),
    "frame-arrays": lambda folder, it: it.write(folder / "take1", it.FRAMES),
    "irds": lambda folder, it: written(folder / "303_18_4_10_1_stand.txt", it.RAW),
    "json_lines": lambda folder, it: it.walk(folder / "walk.jsonl"),
    "kard": lambda folder, it: written(folder / "a14_s03_e02_realworld.txt", it.WALK),
    "kimore": lambda folder, it: written(folder / "JointPosition1.csv", it.ROWS),
    "kinect": lambda folder, it: written(folder / "walk.json", it.FORMS["node"]),
    "leap": lambda folder, it: written(folder / "wave.json", it.FORMS["leapjs"]),
    "mabe": lambda folder, it: it.write(folder / "mice.npy"),
    "mars": lambda folder, it: written(folder / "mice.json", it.MARS),
    "mediapipe": lambda folder, it: written(folder / "walk.json", it.FORMS["frames"](it.landmarks())),
    "mmpose": mmpose,
    "motive": lambda folder, it: written(folder / "walk.csv", it.WALK),
    "movement": lambda folder, it: it.write(folder / "mice.nc"),
    "msr": lambda folder, it: written(folder / "a18_s01_e01_skeleton3D.txt", it.ROWS),
    "msr-daily": lambda folder, it: written(folder / "a13_s02_e01_skeleton.txt", it.WALK),
    "msrc12": lambda folder, it: with_beside(
        folder / "P1_1_11A_p06.tagstream", it.TAGS, folder / "P1_1_11A_p06.csv", it.ROWS
    ),
    "mvnx": lambda folder, it: written(folder / "walk.mvnx", it.mvnx()),
    "ntu-npy": lambda folder, it: saved(folder / "S001C003P002R001A055.skeleton.npy", it.SAMPLE),
    "nw-ucla": nw_ucla,
    "panoptic": lambda folder, it: it.write(folder / "171204_pose1"),
    "pku-mmd": lambda folder, it: with_beside(
        folder / "labels" / "0002-L.txt", it.LABELS, folder / "skeletons" / "0002-L.txt", it.ROWS
    ),
    "poses": lambda folder, it: saved(folder / "walk.npy", it.FRAMES),
    "qualisys": lambda folder, it: written(folder / "walk.tsv", it.WALK),
    "sbu": lambda folder, it: written(folder / "s01s02/03/001/skeleton_pos.txt", it.ROWS),
    "shrec": lambda folder, it: written(folder / "gesture_2/finger_1/subject_3/essai_4/skeletons_world.txt", it.ROWS),
    "sleap": lambda folder, it: it.write(folder / "mice.h5"),
    "smarthome": lambda folder, it: it.write(folder / "walk.json", it.FRAMES),
    "smpl": lambda folder, it: it.write(folder / "walk.npz", joints=it.WALK),
    "smpl-tracks": lambda folder, it: it.saved(folder / "demo_v.pkl", it.phalp()),
    "trc": lambda folder, it: written(folder / "walk.trc", it.WALK),
    "uav-human": lambda folder, it: written(folder / f"{it.NAME}.txt", it.TWO),
    "utd-mhad": lambda folder, it: it.utd(folder),
    "utkinect": lambda folder, it: with_beside(
        folder / "actionLabel.txt", it.LABELS, folder / "joints_s01_e01.txt", it.ROWS
    ),
    "vicon": lambda folder, it: written(folder / "walk.csv", it.WALK),
    "videopose3d": lambda folder, it: packed(folder / "data_3d.npz", positions_3d={"S1": {"Walking": it.FRAMES}}),
    "visual3d": lambda folder, it: written(folder / "walk.txt", it.WALK),
    "yolo": lambda folder, it: it.yolo(folder),
}
TESTED_IN = dict.fromkeys(("alphapose", "coco", "mmpose", "yolo"), "detections") | {
    "utd-mhad": "matlab", "videopose3d": "poses",
}  # fmt: skip


def by_tests(name: str, folder: Path, clips: list[faulty.Clip]) -> Path:
    module = TESTED_IN.get(name, name.replace("-", "_"))
    return OF_TESTS[name](folder, import_module(f"tests.data.formats.test_{module}"))


SAMPLES = {name: partial(by_tests, name) for name in OF_TESTS} | {
    "dataset": faulty.dataset, "ntu": faulty.skeleton, "npz": faulty.npz, "annotations": faulty.annotations,
    "npy": faulty.padded, "tfrecord": faulty.tfrecord, "table": faulty.table_json,
}  # fmt: skip
ELSEWHERE = ("ui-prmd", "babel", "openpose", "video")


def test_every_format_has_a_sample():
    assert {module.NAME for module in FORMATS} == {*SAMPLES, *ELSEWHERE}


# Formats whose files say no label, and no more than one clip each.
UNLABELLED = [
    "alphapose", "amc", "anipose", "bvh", "c3d", "coco", "deeplabcut", "detectron", "json_lines", "kinect", "leap",
    "mediapipe", "mmpose", "motive", "movement", "mvnx", "panoptic", "poses", "qualisys", "sleap", "smarthome", "smpl",
    "trc", "vicon", "visual3d", "yolo",
]  # fmt: skip


@pytest.mark.parametrize("name", UNLABELLED)
def test_files_of_one_name_in_folders_of_classes_are_clips_of_these_classes(tmp_path, name):
    for place in ("bow/first", "wave/first", "wave/second"):
        (tmp_path / place).mkdir(parents=True)
        SAMPLES[name](tmp_path / place, faulty.recordings())
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert (found.format, found.class_names) == (name, ("bow", "wave"))
    assert [clip.label for clip in clips] == [0, 1, 1]
    assert len({clip.name for clip in clips}) == 3


OF_PUBLISHED_SETS = [
    "utkinect", "sbu", "pku-mmd", "irds", "shrec", "ntu-npy", "aist", "msr", "msr-daily", "nw-ucla", "msrc12",
    "uav-human",
]  # fmt: skip


@pytest.mark.parametrize("name", OF_PUBLISHED_SETS)
def test_files_of_a_published_set_with_one_name_in_two_folders_are_all_clips(tmp_path, name):
    alone = len(read_all(SAMPLES[name](made(tmp_path / "alone"), faulty.recordings()), name)[0])
    for day in ("day1", "day2"):
        SAMPLES[name](made(tmp_path / "both" / day), faulty.recordings())
    clips, error = read_all(tmp_path / "both", name)
    assert (len(clips), error) == (2 * alone, "")
    names = [clip.name for clip in clips]
    assert len({*names}) == 2 * alone
    assert {name.split("/")[0] for name in names} == {"day1", "day2"}


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def variants(data: bytes) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    noise = bytearray(data)
    for place in rng.integers(0, max(len(data), 1), 20).tolist() if data else ():
        noise[place] = int(rng.integers(256))
    return {
        "empty": b"", "one byte": data[:1], "half": data[: len(data) // 2], "end cut": data[:-3], "noise": bytes(noise),
        "binary": rng.bytes(2000), "zeros": bytes(2000), "nul in text": data.replace(b"1", b"\0", 3),
        "long line": data + b"9" * 200_000, "twice": data + data, "numbers": data.replace(b"0.", b"9e99"),
    }  # fmt: skip


def read_all(path: Path, name: str) -> tuple[list, str]:
    """The items of a path, and the message with which reading ended, if it did."""
    items = []
    try:
        items.extend(recordings(path, name, on_fault="keep").clips)
    except ValueError as error:
        return items, str(error)
    return items, ""


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_give_clips_faults_or_one_line(tmp_path, name):
    path = SAMPLES[name](tmp_path, faulty.recordings())
    assert name == recognise(path)[0].NAME
    files = [path] if path.is_file() else sorted(filter(Path.is_file, path.rglob("*")))
    victim = max(files, key=lambda file: file.stat().st_size)
    for what, content in variants(victim.read_bytes()).items():
        victim.write_bytes(content)
        began = time.monotonic()
        items, message = read_all(path, name)
        assert "\n" not in message, what
        assert not message or str(tmp_path) in message, what
        assert all(isinstance(item, SkeletonClip | Fault) for item in items), what
        assert all(np.isfinite(item.keypoint).all() for item in items if isinstance(item, SkeletonClip)), what
        assert time.monotonic() - began < 60, what  # a file of some kilobytes holds nobody up


@pytest.mark.parametrize("suffix", sorted({suffix for module in FORMATS for suffix in module.SUFFIXES} - {".txt"}))
def test_a_link_to_an_endless_device_is_refused(tmp_path, suffix):
    path = tmp_path / f"endless{suffix}"
    os.symlink("/dev/zero", path)
    with pytest.raises(ValueError, match="endless"):
        list(recordings(path).clips)
    os.mkfifo(tmp_path / f"pipe{suffix}")
    with pytest.raises(ValueError, match="pipe"):
        list(recordings(tmp_path / f"pipe{suffix}").clips)
