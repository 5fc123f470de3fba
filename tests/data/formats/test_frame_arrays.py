"""A .npy for each frame: joints, rows of numbers, MediaPipe's Holistic; labels by folders, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.joints.axes import FACE
from tests.made_up import body

REST = 100 + 300 * (body("coco17", 2) - body("coco17", 2).min(0))
FRAMES = np.stack([REST + 5 * t for t in range(12)])


def write(folder, frames, numbers=None):
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in zip(numbers or range(len(frames)), frames, strict=True):
        np.save(folder / f"{number}.npy", frame)
    return folder


@pytest.mark.parametrize("flat", [True, False])
def test_folders_are_clips_and_those_around_them_classes(tmp_path, flat):
    for place, shift in (("bow/0", 0), ("wave/0", 9), ("wave/1", 20)):
        frames = FRAMES + shift
        write(tmp_path / place, frames.reshape(12, -1) if flat else frames)
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert (found.format, found.class_names, found.layout.name) == ("frame-arrays", ("bow", "wave"), "coco17")
    assert [(it.name, it.label) for it in clips] == [("bow/0", 0), ("wave/0", 1), ("wave/1", 1)]
    np.testing.assert_allclose(clips[0].keypoint[0], FRAMES, rtol=1e-6)  # 2 before 10


def test_a_number_that_is_not_there_is_a_frame_of_nobody(tmp_path):
    (clip,) = recordings(write(tmp_path / "a", FRAMES[:3], [4, 5, 7])).clips
    assert clip.keypoint[0].any((1, 2)).tolist() == [True, True, False, True]


@pytest.mark.parametrize("face", [FACE, 0])
def test_numbers_of_holistic(tmp_path, face):
    """Pose with visibility, face, left hand, right hand, as extract_keypoints of a well-known tutorial has them."""
    pose = np.concatenate([np.random.default_rng(0).uniform(0.2, 0.8, (33, 3)), np.full((33, 1), 0.5)], 1)
    pose[:, 2] -= 0.5
    right = np.random.default_rng(1).uniform(0.4, 0.6, (21, 3))
    row = np.concatenate([pose.ravel(), np.full(face, 0.3), np.zeros(63), right.ravel()])
    found = recordings(write(tmp_path / "wave/0", [row, row + 0]).parent.parent, image_size="100x200")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0, 0, :33], pose[:, :2] * [100, 200], rtol=1e-5)
    np.testing.assert_allclose(clip.keypoint[0, 0, 54:], right[:, :2] * [100, 200], rtol=1e-5)
    assert not clip.keypoint[0, :, 33:54].any()
    assert clip.score[0, 0, [0, 33, 54]].tolist() == [0.5, 0, 1]
    assert any("face" in line for line in found.skipped()) == bool(face)


def test_a_frame_of_another_shape_is_a_fault_of_its_clip(tmp_path):
    write(tmp_path / "a", FRAMES)
    write(tmp_path / "b", [*FRAMES[:2], FRAMES[2][:9]])
    _, second = recordings(tmp_path, on_fault="keep").clips
    assert isinstance(second, Fault)
    assert "2.npy holds float64 (9, 2)" in str(second)


@pytest.mark.parametrize("row", ["{x} {y}", "{x},{y}", "{i} {x} {y}", "{x};{y};{i}"])
def test_texts_of_a_frame_each_with_a_row_a_joint(tmp_path, row):
    for place in ("bow/1", "wave/2"):
        (tmp_path / place).mkdir(parents=True)
        for t, frame in enumerate(FRAMES):
            lines = [row.format(i=i, x=x, y=y) for i, (x, y) in enumerate(frame.tolist())]
            (tmp_path / place / f"{t}.txt").write_text("\n".join(lines))
    (tmp_path / "wave" / "label.txt").write_text("3 0.5\n")
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert (found.format, [it.name for it in clips]) == ("frame-arrays", ["bow/1", "wave/2"])
    np.testing.assert_allclose(clips[1].keypoint[0], FRAMES, rtol=1e-6)


def test_names_that_begin_in_several_ways_are_several_clips(tmp_path):
    for name, shift in (("walk", 0), ("bow", 50)):
        for t, frame in enumerate(FRAMES):
            np.save(tmp_path / f"{name}_{t}.npy", frame + shift)
    bow, walk = recordings(tmp_path).clips
    assert (bow.name, walk.name) == ("bow", "walk")
    np.testing.assert_allclose(bow.keypoint - walk.keypoint, 50, rtol=1e-5)
