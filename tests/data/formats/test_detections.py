"""Files of COCO, AlphaPose, MMPose and YOLO-pose: coordinates, frames, people and sizes as the files say them."""

import json

import numpy as np
import pytest

from kinegraph.data.formats import read, recognise, recordings
from kinegraph.data.formats.detections import frame_numbers, picture_number
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

POSE = (400 + 300 * body("coco17", 2)).round(2)


def pose(x: float = 0.0, score: float = 0.9) -> np.ndarray:
    """A body of COCO's joints, moved to the right, (17, 3)."""
    return np.column_stack([POSE + [x, 0], np.full(17, score)])


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def walking(frames: int = 4) -> list[list[np.ndarray]]:
    """Two people who walk; the files list them in an order that changes."""
    return [[pose(5 * t), pose(900 - 5 * t)][:: 1 - 2 * (t % 2)] for t in range(frames)]


def check_walking(clip) -> None:
    assert (clip.people, clip.frames, clip.layout.name) == (2, 4, "coco17")
    left = clip.keypoint[np.argsort(clip.keypoint[:, 0, 0, 0])]
    for t in range(4):
        np.testing.assert_allclose(left[0, t], pose(5 * t)[:, :2], rtol=1e-5)
        np.testing.assert_allclose(left[1, t], pose(900 - 5 * t)[:, :2], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("0.jpg", ("", 0)), ("img_0012.png", ("", 12)), ("walk/000003.jpg", ("walk", 3)), ("a b.jpg", ("a b", None)),
        ("clip_7_12.jpg", ("clip_7", 12)), ("videos\\x\\frame-4.jpg", ("videos/x", 4)), ("video_1.txt", ("video", 1)),
    ],
)  # fmt: skip
def test_names_of_pictures(name, said):
    assert picture_number(name) == said


def test_numbers_of_frames():
    for numbers, expected, step in (([3, 4, 5, 10], [0, 1, 2, 7], 1), ([0, 2, 4], [0, 1, 2], 2), ([7], [0], 1)):
        found, between = frame_numbers(numbers)
        assert (found.tolist(), between) == (expected, step)


# ---- AlphaPose -------------------------------------------------------------------------------------------------------


def alphapose(folder, idx=None, name="{}.jpg"):
    items = [
        {"image_id": name.format(t), "category_id": 1, "keypoints": one.ravel().tolist(), "score": 2.5}
        | ({"idx": idx(one)} if idx else {})
        for t, people in enumerate(walking()) for one in people
    ]  # fmt: skip
    return written(folder / "alphapose-results.json", items)


@pytest.mark.parametrize("idx", [None, lambda it: [[float(it[0, 0] > 700)], [0.0]], lambda it: int(it[0, 0] > 700)])
def test_alphapose_by_ids_and_without(tmp_path, idx):
    path = alphapose(tmp_path, idx)
    assert recognise(path)[0].NAME == recognise(tmp_path)[0].NAME == "alphapose"
    (clip,) = read(path)
    check_walking(clip)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-6)


def test_alphapose_of_several_videos(tmp_path):
    names = {clip.name for clip in read(alphapose(tmp_path, name="walk{0}/00{0}.jpg"))}
    assert names == {"walk0", "walk1", "walk2", "walk3"}


# ---- MMPose ----------------------------------------------------------------------------------------------------------


def instance(one: np.ndarray) -> dict:
    return {"keypoints": one[:, :2].tolist(), "keypoint_scores": one[:, 2].tolist(), "bbox": [[0, 0, 9, 9]]}


def test_mmpose_videos_and_pictures(tmp_path):
    frames = [{"frame_id": t + 1, "instances": list(map(instance, it))} for t, it in enumerate(walking())]
    names = {str(i): name for i, name in enumerate(load_layout("coco17").joints)}
    for content in (frames, {"meta_info": {"keypoint_id2name": names}, "instance_info": frames}):
        found = recordings(written(tmp_path / "video.json", content))
        assert found.format == "mmpose"
        check_walking(next(found.clips))
    for t, people in enumerate(walking()):
        written(tmp_path / "pictures" / f"walk_{t:04}.json", list(map(instance, people)))
    (clip,) = read(tmp_path / "pictures")
    check_walking(clip)
    assert clip.name == "walk"
    (single,) = read(tmp_path / "pictures" / "walk_0000.json")
    assert (single.people, single.frames) == (2, 1)


# ---- COCO ------------------------------------------------------------------------------------------------------------


def coco(frames, **of_images):
    images = [{"id": 10 + t, "file_name": f"walk/{t:06}.jpg", "width": 1920, "height": 1080} | of_images
              for t in range(len(frames))]  # fmt: skip
    annotations = [
        {"image_id": 10 + t, "category_id": 1, "keypoints": one.ravel().tolist(), "num_keypoints": 17}
        for t, people in enumerate(frames) for one in people
    ]  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": []}


def test_coco_annotations_of_a_sequence(tmp_path):
    found = recordings(written(tmp_path / "a.json", coco(walking())))
    (clip,) = found.clips
    check_walking(clip)
    assert (found.format, clip.name, clip.image_size) == ("coco", "walk", (1920, 1080))


def test_coco_visibility_is_a_score(tmp_path):
    frames = [[np.column_stack([POSE, [2] * 9 + [1] * 7 + [0]])] for _ in range(2)]
    (clip,) = read(written(tmp_path / "a.json", coco(frames)))
    assert clip.score[0, 0].tolist() == [1] * 9 + [0.5] * 7 + [0]
    assert not clip.keypoint[0, :, 16].any()


def test_coco_pictures_that_are_no_sequence(tmp_path):
    content = coco([[pose()], [pose()]])
    for image, name in zip(content["images"], ("000000000785.jpg", "000000040083.jpg"), strict=True):
        image["file_name"] = name
    assert [clip.name for clip in read(written(tmp_path / "a.json", content))] == ["a-785", "a-40083"]


def test_posetrack_names_its_people(tmp_path):
    content = coco(walking(), vid_id="000342")
    for image in content["images"]:
        image["frame_id"] = 500 + image["id"]
    for annotation in content["annotations"]:
        annotation["track_id"] = int(annotation["keypoints"][0] > 700)
    (clip,) = read(written(tmp_path / "a.json", content))
    assert clip.name == "000342"
    check_walking(clip)


def test_coco_results(tmp_path):
    items = [{"image_id": t, "category_id": 1, "keypoints": one.ravel().tolist(), "score": 0.8}
             for t, people in enumerate(walking()) for one in people]  # fmt: skip
    (clip,) = read(written(tmp_path / "results.json", items))
    check_walking(clip)


def test_coco_of_other_joints_has_their_names(tmp_path):
    content = coco([[pose()[:3]], [pose(5)[:3]]])
    content["categories"] = [{"name": "mouse", "keypoints": ["nose", "back", "tail"], "skeleton": [[1, 2], [2, 3]]}]
    found = recordings(written(tmp_path / "a.json", content))
    assert (found.layout.name, found.layout.joints) == ("mouse", ("nose", "back", "tail"))


# ---- YOLO ------------------------------------------------------------------------------------------------------------


def yolo(folder, ending="", visible=True):
    for t, people in enumerate(walking()):
        lines = []
        for one in people:
            values = one / [1920, 1080, 1] if visible else one[:, :2] / [1920, 1080]
            lines.append(
                f"0 0.5 0.5 0.1 0.2 {' '.join(map(str, values.ravel()))}{ending.format(who=int(one[0, 0] > 700))}"
            )
        (folder / f"walk_{t + 1}.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("ending", ["", " 0.91", " 0.91 {who}"])
@pytest.mark.parametrize("visible", [True, False])
def test_yolo_labels(tmp_path, ending, visible):
    yolo(tmp_path, ending, visible)
    found = recordings(tmp_path, image_size="1920x1080")
    (clip,) = found.clips
    assert (found.format, found.units, clip.name) == ("yolo", "px", "walk")
    check_walking(clip)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", [{"image_id": "1.jpg", "keypoints": [1, 2]}], "expected x, y, score of each joint"),
        ("a.json", [{"image_id": "1.jpg", "keypoints": [1, 2, float("nan")]}], "not finite"),
        ("a.json", [{"image_id": 1, "keypoints": ["x", 2, 3]}], "expected x, y, score of each joint"),
        ("a.json", [{"keypoints": [[1, 2]], "keypoint_scores": [1, 2]}], "has 2 scores for 1 joints"),
        ("a.json", {"images": [], "annotations": [{"keypoints": []}]}, "no annotation with keypoints"),
        ("a.json", [{"frame_id": 0, "instances": 3, "keypoint_scores": 1}], "no list of objects"),
    ],
)  # fmt: skip
def test_wrong_files_are_one_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        list(read(written(tmp_path / name, content)))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
