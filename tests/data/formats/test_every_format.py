"""Every format with files that are empty, cut, changed or hostile: clips, faults, or one line that names the file."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from kinegraph.data.formats import FORMATS, recognise, recordings
from kinegraph.data.formats.recordings import Fault
from kinegraph.skeleton.clip import SkeletonClip
from tests.data import faulty
from tests.data.formats import (
    test_aist,
    test_amc,
    test_anipose,
    test_bvh,
    test_c3d,
    test_cad,
    test_clip_arrays,
    test_detections,
    test_detectron,
    test_florence,
    test_frame_arrays,
    test_irds,
    test_json_lines,
    test_kard,
    test_kimore,
    test_kinect,
    test_leap,
    test_mars,
    test_mediapipe,
    test_motive,
    test_msr,
    test_msr_daily,
    test_msrc12,
    test_mvnx,
    test_ntu_npy,
    test_nw_ucla,
    test_panoptic,
    test_pku_mmd,
    test_poses,
    test_qualisys,
    test_sbu,
    test_shrec,
    test_smarthome,
    test_smpl,
    test_smpl_tracks,
    test_uav_human,
    test_utkinect,
    test_vicon,
    test_visual3d,
)
from tests.data.formats.test_deeplabcut import TWO
from tests.data.formats.test_trc import WALK


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def trc(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "walk.trc").write_text(WALK)
    return folder / "walk.trc"


def deeplabcut(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "mice.csv").write_text(TWO)
    return folder / "mice.csv"


def bvh(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "walk.bvh").write_text(test_bvh.WALK)
    return folder / "walk.bvh"


def poses(folder: Path, clips: list[faulty.Clip]) -> Path:
    np.save(folder / "walk.npy", test_poses.FRAMES)
    return folder / "walk.npy"


def clip_arrays(folder: Path, clips: list[faulty.Clip]) -> Path:
    np.savez(folder / "all.npz", x=test_clip_arrays.CLIPS, y=test_clip_arrays.LABELS)
    return folder / "all.npz"


def nw_ucla(folder: Path, clips: list[faulty.Clip]) -> Path:
    content = {"file_name": "a01_s01_e00_v01", "skeletons": test_nw_ucla.JOINTS.tolist(), "label": 1}
    (folder / "a01_s01_e00_v01.json").write_text(json.dumps(content))
    return folder / "a01_s01_e00_v01.json"


def msr(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "a18_s01_e01_skeleton3D.txt").write_text(test_msr.ROWS)
    return folder / "a18_s01_e01_skeleton3D.txt"


def kimore(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "JointPosition1.csv").write_text(test_kimore.ROWS)
    return folder / "JointPosition1.csv"


def alphapose(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_detections.alphapose(folder)


def mmpose(folder: Path, clips: list[faulty.Clip]) -> Path:
    frames = [
        {"frame_id": t, "instances": list(map(test_detections.instance, people))}
        for t, people in enumerate(test_detections.walking())
    ]
    return test_detections.written(folder / "video.json", frames)


def coco(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_detections.written(folder / "a.json", test_detections.coco(test_detections.walking()))


def yolo(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_detections.yolo(folder)


def mediapipe(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "walk.json").write_text(json.dumps(test_mediapipe.FORMS["frames"](test_mediapipe.landmarks())))
    return folder / "walk.json"


def json_lines(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_json_lines.walk(folder / "walk.jsonl")


def panoptic(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_panoptic.write(folder / "171204_pose1")


def detectron(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_detections.written(folder / "walk.json", test_detectron.instances())


def cad(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_cad.written(folder / "0512164529.txt")


def smpl_tracks(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_smpl_tracks.saved(folder / "demo_v.pkl", test_smpl_tracks.phalp())


def smpl(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_smpl.write(folder / "walk.npz", joints=test_smpl.WALK)


def anipose(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_anipose.write(folder / "walk.csv")


def movement(folder: Path, clips: list[faulty.Clip]) -> Path:
    pytest.importorskip("h5py")
    from tests.data.formats import test_movement

    return test_movement.write(folder / "mice.nc")


def sleap(folder: Path, clips: list[faulty.Clip]) -> Path:
    pytest.importorskip("h5py")
    from tests.data.formats import test_sleap

    return test_sleap.write(folder / "mice.h5")


def c3d(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_c3d.write(folder / "walk.c3d")


def vicon(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "walk.csv").write_text(test_vicon.WALK)
    return folder / "walk.csv"


def motive(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "walk.csv").write_text(test_motive.WALK)
    return folder / "walk.csv"


def visual3d(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "walk.txt").write_text(test_visual3d.WALK)
    return folder / "walk.txt"


def amc(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_amc.write(folder)


def utkinect(folder: Path, clips: list[faulty.Clip]) -> Path:
    (folder / "actionLabel.txt").write_text(test_utkinect.LABELS)
    return written(folder / "joints_s01_e01.txt", test_utkinect.ROWS)


def florence(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / "Florence_dataset_WorldCoordinates.txt", test_florence.ROWS)


def sbu(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / "s01s02" / "03" / "001" / "skeleton_pos.txt", test_sbu.ROWS)


def pku_mmd(folder: Path, clips: list[faulty.Clip]) -> Path:
    written(folder / "labels" / "0002-L.txt", test_pku_mmd.LABELS)
    return written(folder / "skeletons" / "0002-L.txt", test_pku_mmd.ROWS)


def irds(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / "303_18_4_10_1_stand.txt", test_irds.RAW)


def shrec(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / "gesture_2" / "finger_1" / "subject_3" / "essai_4" / "skeletons_world.txt", test_shrec.ROWS)


def msrc12(folder: Path, clips: list[faulty.Clip]) -> Path:
    written(folder / "P1_1_11A_p06.tagstream", test_msrc12.TAGS)
    return written(folder / "P1_1_11A_p06.csv", test_msrc12.ROWS)


def kinect(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / "walk.json", test_kinect.FORMS["node"])


def leap(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / "wave.json", test_leap.FORMS["leapjs"])


def ntu_npy(folder: Path, clips: list[faulty.Clip]) -> Path:
    np.save(folder / "S001C003P002R001A055.skeleton.npy", test_ntu_npy.SAMPLE)
    return folder / "S001C003P002R001A055.skeleton.npy"


def videopose3d(folder: Path, clips: list[faulty.Clip]) -> Path:
    np.savez(folder / "data_3d.npz", positions_3d={"S1": {"Walking": test_poses.FRAMES}})
    return folder / "data_3d.npz"


def aist(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_aist.write(folder / f"{test_aist.NAME}.pkl")


def frame_arrays(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_frame_arrays.write(folder / "take1", test_frame_arrays.FRAMES)


def qualisys(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / "walk.tsv", test_qualisys.WALK)


def mvnx(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / "walk.mvnx", test_mvnx.mvnx())


def uav_human(folder: Path, clips: list[faulty.Clip]) -> Path:
    return written(folder / f"{test_uav_human.NAME}.txt", test_uav_human.TWO)


def smarthome(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_smarthome.write(folder / "walk.json", test_smarthome.FRAMES)


def kard(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_kard.write(folder / "a14_s03_e02_realworld.txt")


def msr_daily(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_msr_daily.write(folder / "a13_s02_e01_skeleton.txt")


def mars(folder: Path, clips: list[faulty.Clip]) -> Path:
    return test_mars.write(folder / "mice.json", test_mars.MARS)


def utd_mhad(folder: Path, clips: list[faulty.Clip]) -> Path:
    pytest.importorskip("scipy")
    from tests.data.formats import test_matlab

    return test_matlab.utd(folder)


# Format -> what writes good files of it. A format whose files need a whole folder has such tests of its own.
SAMPLES = {
    "dataset": faulty.dataset, "ntu": faulty.skeleton, "npz": faulty.npz, "annotations": faulty.annotations,
    "npy": faulty.padded, "tfrecord": faulty.tfrecord, "table": faulty.table_json, "trc": trc,
    "deeplabcut": deeplabcut, "bvh": bvh, "poses": poses, "clip-arrays": clip_arrays, "nw-ucla": nw_ucla, "msr": msr,
    "kimore": kimore, "sleap": sleap, "c3d": c3d, "alphapose": alphapose, "mmpose": mmpose, "coco": coco, "yolo": yolo,
    "mediapipe": mediapipe, "vicon": vicon, "videopose3d": videopose3d,
    "motive": motive, "visual3d": visual3d, "amc": amc,
    "utkinect": utkinect, "florence": florence, "sbu": sbu, "pku-mmd": pku_mmd, "irds": irds, "shrec": shrec,
    "msrc12": msrc12, "kinect": kinect, "leap": leap, "ntu-npy": ntu_npy,
    "json_lines": json_lines,
    "panoptic": panoptic, "detectron": detectron, "smpl": smpl, "smpl-tracks": smpl_tracks,
    "anipose": anipose, "movement": movement,
    "qualisys": qualisys, "mvnx": mvnx, "mars": mars, "msr-daily": msr_daily, "uav-human": uav_human,
    "smarthome": smarthome, "kard": kard, "cad": cad, "aist": aist, "frame-arrays": frame_arrays, "utd-mhad": utd_mhad,
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


@pytest.mark.parametrize(
    "name",
    [
        "utkinect",
        "sbu",
        "pku-mmd",
        "irds",
        "shrec",
        "ntu-npy",
        "aist",
        "msr",
        "msr-daily",
        "nw-ucla",
        "msrc12",
        "uav-human",
    ],
)
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
