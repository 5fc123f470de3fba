"""Files of COCO, AlphaPose, MMPose and YOLO-pose: coordinates, frames, people and sizes as the files say them."""

import json

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from kinegraph.data.reading.joints.detections import frame_numbers, picture_number
from kinegraph.skeleton.layout import load_layout
from tests.data.formats import written
from tests.made_up import body

POSE = (400 + 300 * body("coco17", 2)).round(2)


def pose(x: float = 0.0, score: float = 0.9) -> np.ndarray:
    """A body of COCO's joints, moved to the right, (17, 3)."""
    return np.column_stack([POSE + [x, 0], np.full(17, score)])


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


def test_alphapose_folders(tmp_path):
    for name in ("walk", "run"):
        alphapose(tmp_path / "videos" / name)
    assert {clip.name for clip in read(tmp_path / "videos")} == {"walk", "run"}
    for t, people in enumerate(walking()):
        items = [{"image_id": f"{t}.jpg", "keypoints": one.ravel().tolist()} for one in people]
        written(tmp_path / "sep-json" / f"{t}.jpg.json", items)
    (clip,) = read(tmp_path / "sep-json")
    check_walking(clip)


def test_face_and_hands_are_left_out_and_said(tmp_path):
    rest = np.tile(pose(), (8, 1))[: 136 - 26]
    items = [{"image_id": f"{t}.jpg", "keypoints": np.vstack([body26, rest]).ravel().tolist()}
             for t, body26 in enumerate([np.vstack([pose(), pose()[:9]])] * 2)]  # fmt: skip
    found = recordings(written(tmp_path / "a.json", items))
    (clip,) = found.clips
    assert (clip.layout.name, found.skipped()) == (
        "halpe26", ["110 of 136 joints: 'halpe26' is the body, --layout halpe136 reads all"],
    )  # fmt: skip
    np.testing.assert_allclose(clip.keypoint[0, 0, :17], pose()[:, :2], rtol=1e-5)
    (clip,) = read(tmp_path / "a.json", layout="halpe136")
    assert clip.layout.joints[94] == "left_hand_wrist"  # of Halpe-FullBody's list: 94 to 114 are the left hand
    np.testing.assert_allclose(clip.keypoint[0, 0, 26:], rest[:, :2], rtol=1e-5)


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


def test_mmpose_files_of_one_name_in_two_folders_are_two_recordings(tmp_path):
    for t, people in enumerate(walking()[:2]):
        for folder in "ab":
            written(tmp_path / folder / f"walk_{t}.json", list(map(instance, people)))
            written(tmp_path / folder / "video.json", [{"frame_id": 0, "instances": list(map(instance, people))}])
    found = {clip.name: clip.frames for clip in read(tmp_path)}
    assert found == {"a/walk": 2, "b/walk": 2, "a/video": 1, "b/video": 1}


def test_mmpose_pictures_in_one_list(tmp_path):
    (clip,) = read(written(tmp_path / "a.json", {"predictions": [list(map(instance, it)) for it in walking()]}))
    check_walking(clip)


def test_mmpose_in_3d(tmp_path):
    bodies = [body("h36m17", 3) + [0, 0, 0.1 * t] for t in range(3)]
    frames = [{"frame_id": t, "instances": [{"keypoints": it.tolist(), "keypoint_scores": [0.9] * 17}]}
              for t, it in enumerate(bodies)]  # fmt: skip
    found = recordings(written(tmp_path / "a.json", frames))
    (clip,) = found.clips
    assert (found.units, clip.layout.name) == ("m", "h36m17")
    np.testing.assert_allclose(clip.keypoint[0], bodies, atol=1e-6)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-6)


def test_mmpose_names_its_joints_and_bones(tmp_path):
    meta = {"dataset_name": "mouse", "keypoint_id2name": {"0": "nose", "1": "back", "2": "tail"},
            "skeleton_links": [[0, 1], [1, 2]]}  # fmt: skip
    frames = [{"frame_id": t, "instances": [instance(pose(5 * t)[:3])]} for t in range(3)]
    layout = recordings(written(tmp_path / "a.json", {"meta_info": meta, "instance_info": frames})).layout
    assert (layout.name, layout.joints, layout.bones) == ("mouse", ("nose", "back", "tail"), ((0, 1), (1, 2)))


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


def test_coco_people_of_videos_with_all_their_frames(tmp_path):
    """As of YouTube-VIS: null where somebody is not there."""
    names = list(load_layout("coco17").joints)
    far = [pose(300 + 5 * t).ravel().tolist() for t in range(4)]
    people = [[pose(5 * t).ravel().tolist() for t in range(4)], [None, *far[1:]]]
    videos = [
        {"id": i, "file_names": [f"v{i}/{t:05}.jpg" for t in range(4)], "width": 640, "height": 480} for i in (1, 2)
    ]
    annotations = [
        {"id": 2 * video + i, "video_id": video, "category_id": 1, "keypoints": keypoints, "bboxes": [None] * 4}
        for video in (1, 2)
        for i, keypoints in enumerate(people)
    ]
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": [[1, 2]]}
    content = {"videos": videos, "annotations": annotations, "categories": [category]}
    one, two = recordings(written(tmp_path / "a.json", content)).clips
    assert [one.name, two.name] == ["v1", "v2"]
    assert (one.image_size, one.keypoint.shape) == ((640, 480), (2, 4, 17, 2))
    assert not one.keypoint[1, 0].any()
    np.testing.assert_allclose(one.keypoint[1, 3], pose(315)[:, :2], rtol=1e-5)


def test_coco_results(tmp_path):
    items = [{"image_id": t, "category_id": 1, "keypoints": one.ravel().tolist(), "score": 0.8}
             for t, people in enumerate(walking()) for one in people]  # fmt: skip
    (clip,) = read(written(tmp_path / "results.json", items))
    check_walking(clip)


@pytest.mark.parametrize(
    ("skeleton", "bones"),
    [
        ([[1, 2], [2, 3]], {(0, 1), (1, 2)}),
        ([[0, 1], [1, 2]], {(0, 1), (1, 2)}),  # from 0
        ([[1, 2], [2, 1], [2, 9], "x"], {(0, 1), (2, 0)}),  # twice, outside, no bone, one missing
        (None, {(1, 0), (2, 0)}),
    ],
)
def test_coco_of_other_joints_has_their_names(tmp_path, skeleton, bones):
    content = coco([[pose()[:3]], [pose(5)[:3]]])
    content["categories"] = [{"name": "mouse", "keypoints": ["nose", "back", "tail"], "skeleton": skeleton}]
    found = recordings(written(tmp_path / "a.json", content))
    assert (found.layout.name, found.layout.joints) == ("mouse", ("nose", "back", "tail"))
    assert set(map(frozenset, found.layout.bones)) == set(map(frozenset, bones))


def test_coco_categories_of_other_joints_are_left_out_and_said(tmp_path):
    content = coco(walking())
    content["annotations"].append({"image_id": 10, "keypoints": [1, 2, 2]})
    found = recordings(written(tmp_path / "a.json", content))
    check_walking(next(found.clips))
    assert "annotations of other than 17 joints, 1" in found.skipped()


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


def test_yolo_folders_with_other_text_files(tmp_path):
    (tmp_path / "labels").mkdir()
    yolo(tmp_path / "labels")
    (tmp_path / "classes.txt").write_text("person\n")
    (tmp_path / "labels" / "walk_5.txt").write_text("")  # a picture without anybody
    found = recordings(tmp_path)
    (clip,) = found.clips
    assert (clip.name, clip.frames, found.skipped()) == ("walk", 5, ["text files without labels: classes.txt"])
    assert not clip.keypoint[:, 4].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line[: len(line) // 2], "walk_3.txt: person 1 has"),
        (lambda line: line.replace("0.5", "nan", 1), "walk_3.txt line 1 has a number that is not finite"),
        (lambda line: line.replace("0.5", "half", 1), "walk_3.txt line 1 is"),
        (lambda line: "0 0.5 0.5 0.1 0.2", "walk_3.txt line 1 has 5 numbers"),
    ],
)
def test_yolo_lines_that_are_damaged(tmp_path, change, message):
    path = yolo(tmp_path) / "walk_3.txt"
    first, second = path.read_text().splitlines()
    path.write_text(f"{change(first)}\n{second}\n")
    with pytest.raises(ValueError, match=message):
        list(read(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", [{"image_id": "1.jpg", "keypoints": [1, 2]}], "expected x, y, score of each joint"),
        ("a.json", [{"image_id": "1.jpg", "keypoints": [1, 2, float("inf")]}], "not finite"),
        ("a.json", [{"image_id": 1, "keypoints": ["x", 2, 3]}], "expected x, y, score of each joint"),
        ("a.json", [{"keypoints": [[1, 2]], "keypoint_scores": [1, 2]}], "has 2 scores for 1 joint"),
        ("a.json", {"images": [], "annotations": [{"keypoints": []}]}, "no person with keypoints"),
        ("a.json", {"images": [{"id": [1]}], "annotations": [{"keypoints": []}]}, "expected a number or a name"),
        ("a.json", {"images": [], "annotations": [{"image_id": {}, "keypoints": [1, 2, 2]}]}, "a number or a name"),
        ("a.json", {"images": [{"id": 1}], "annotations": [{"id": 1, "bbox": [1, 2, 3, 4]}]}, "no person"),
        ("a.json", [{"frame_id": 0, "instances": 3, "keypoint_scores": 1}], "no list of objects"),
    ],
)  # fmt: skip
def test_wrong_files_are_one_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        list(read(written(tmp_path / name, content)))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


# ---- folders of classes ----------------------------------------------------------------------------------------------


def lines_of_yolo(people) -> str:
    return "\n".join("0 .5 .5 .3 .3 " + " ".join(f"{x / 1200} {y / 1200} 2" for x, y, _ in one) for one in people)


@pytest.mark.parametrize(
    "place", ["{0}/{1}/{2}", "{0}/{1}_{2}", "{0}/{1}/predict/labels/{2}", "{0}/predictions/{1}_{2}"]
)  # fmt: skip
@pytest.mark.parametrize("kind", ["yolo", "mmpose", "alphapose"])
def test_folders_of_classes_with_a_file_for_each_picture(tmp_path, place, kind):
    if kind == "alphapose" and "_" in place:
        pytest.skip("AlphaPose writes a folder for each clip")
    for name in ("bow", "wave"):
        for clip in ("a", "b"):
            for t, people in enumerate(walking()):
                file = tmp_path / place.format(name, clip, t)
                if kind == "yolo":
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.with_name(f"{file.name}.txt").write_text(lines_of_yolo(people))
                elif kind == "mmpose":
                    written(file.with_name(f"{file.name}.json"), list(map(instance, people)))
                else:
                    items = [{"image_id": f"{t}.jpg", "keypoints": one.ravel().tolist()} for one in people]
                    written(file.with_name(f"{t}.jpg.json"), items)
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert (found.class_names, [(clip.frames, clip.label) for clip in clips]) == (
        ("bow", "wave"), [(4, 0), (4, 0), (4, 1), (4, 1)],
    )  # fmt: skip
    assert len({clip.name for clip in clips}) == 4


def test_folders_that_ultralytics_makes_are_no_classes(tmp_path):
    for run in ("predict", "predict2"):
        (tmp_path / run / "labels").mkdir(parents=True)
        (tmp_path / run / "labels" / "walk_0.txt").write_text(lines_of_yolo(walking()[0]))
    found = recordings(tmp_path)
    assert (found.class_names, len(list(found.clips))) == ((), 2)


# ---- folders that name classes ---------------------------------------------------------------------------------------


def filmed(folder, name):
    instances = [{"keypoints": pose()[:, :2].tolist(), "keypoint_scores": pose()[:, 2].tolist()}]
    content = {"instance_info": [{"frame_id": t + 1, "instances": instances} for t in range(2)]}
    written(folder / f"{name}.json", content)


def test_folders_name_classes_and_a_fifth_is_for_validation(tmp_path):
    for name in ("wave", "bow"):
        for number in range(5):
            filmed(tmp_path, f"{name}/film{number}")
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert found.class_names == ("bow", "wave")
    assert [(clip.name, clip.label) for clip in clips[4:6]] == [("bow/film4", 0), ("wave/film0", 1)]
    assert sorted((clip.label, clip.splits["holdout"]) for clip in clips) == [
        (label, part) for label in (0, 1) for part in ["train"] * 4 + ["val"]
    ]
    more = recordings(tmp_path, val_share=0.4)
    assert [clip.splits["holdout"] for clip in more.clips].count("val") == 4


def test_subjects_of_a_labels_file_are_kept_apart(tmp_path):
    lines = ["clip,label,subject"]
    for number in range(10):
        filmed(tmp_path / "films", f"film{number}")
        lines.append(f"film{number},{'ab'[number % 2]},{number // 2}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    clips = list(recordings(tmp_path / "films", labels_file=tmp_path / "labels.csv").clips)
    parts = {(clip.attributes["subject"], clip.splits["xsub"]) for clip in clips}
    assert sorted(part for _, part in parts) == ["train"] * 4 + ["val"]


def test_folders_in_the_names_of_pictures_are_no_classes(tmp_path):
    file = alphapose(tmp_path, name="camera/front/{}.jpg")
    found = recordings(file)
    assert found.class_names == ()
    assert [clip.label for clip in found.clips] == [None]


def test_joints_of_nan_or_null_are_unseen(tmp_path):
    frames = [{"frame_id": t, "instances": list(map(instance, people))} for t, people in enumerate(walking())]
    frames[1]["instances"][0]["keypoints"][3] = [None, None]
    frames[2]["instances"][0]["keypoints"][5] = [float("nan")] * 2
    clips = list(read(written(tmp_path / "a.json", frames)))
    assert sorted(np.argwhere(~clips[0].keypoint.any(3))[:, 1:].tolist()) == [[1, 3], [2, 5]]


def test_bones_that_a_category_does_not_name_are_said(tmp_path):
    content = coco(walking())
    content["categories"] = [{"id": 1, "name": "hand", "keypoints": [f"k{i}" for i in range(17)], "skeleton": []}]
    found = recordings(written(tmp_path / "a.json", content))
    assert found.assumed == (
        "bones: the shortest lines between the 17 joints, the file names none (--layout my.yaml says others)",
    )
    content["categories"][0]["skeleton"] = [[1, 2]]
    found = recordings(written(tmp_path / "a.json", content))
    assert found.assumed == ("bones: joints without one are joined to 'k0' (--layout)",)


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
@pytest.mark.parametrize("image", ["{}.jpg", None])
def test_detections_as_json_lines(tmp_path, name, image):
    lines = [
        {"image_id": image.format(t) if image else t, "keypoints": one.ravel().tolist(), "score": 0.9, "category_id": 1}
        for t, there in enumerate(walking())
        for one in there
    ]
    (tmp_path / name).write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    found = recordings(tmp_path / name)
    assert found.format == ("alphapose" if image else "coco")
    check_walking(next(found.clips))


def test_a_broken_line_of_detections_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"image_id": "0.jpg", "keypoints": [1, 2, 1]}\n{"image_id": "1.jpg", "keyp\n')
    with pytest.raises(ValueError, match=r"a\.jsonl line 2 is not readable JSON"):
        recordings(tmp_path / "a.jsonl")


def test_yolo_in_pixels(tmp_path):
    for t, there in enumerate(walking()):
        rows = []
        for one in there:
            low, high = one[:, :2].min(0), one[:, :2].max(0)
            rows.append([0, *(low + high) / 2, *(high - low), *one.ravel()])
        (tmp_path / f"v_{t}.txt").write_text("\n".join(" ".join(f"{it:g}" for it in row) for row in rows))
    found = recordings(tmp_path)
    assert (found.format, found.units) == ("yolo", "px")
    check_walking(next(found.clips))


@pytest.mark.parametrize("form", ["pred_instances", "batches"])
def test_instances_of_mmpose_in_lists_of_arrays(tmp_path, form):
    people = walking()
    frames = [[instance(it) for it in there] for there in people]
    if form == "batches":
        content = {"predictions": [[there] for there in frames]}
    else:
        keys = ("keypoints", "keypoint_scores")
        content = [
            {"image_path": f"img/{t:05}.jpg", "pred_instances": {key: [one[key] for one in there] for key in keys}}
            for t, there in enumerate(frames)
        ]
    usual = written(tmp_path / "usual.json", [{"frame_id": t, "instances": it} for t, it in enumerate(frames)])
    (clip,), (same,) = (recordings(it).clips for it in (written(tmp_path / "a.json", content), usual))
    np.testing.assert_array_equal(clip.keypoint, same.keypoint)


def test_people_of_ultralytics_with_frames_each(tmp_path):
    """Records of all frames, as JSON and as its to_csv writes them; people by track_id."""
    places = 100 + 300 * np.stack([body("coco17", 2) + [[t / 20, 0]] for t in range(3)])
    rows = []
    for t, pose in enumerate(places):
        for who in (2, 1) if t % 2 else (1, 2):
            x, y = (pose + [300 * who, 0]).T.tolist()
            rows.append({"frame": t, "track_id": who, "keypoints": {"x": x, "y": y, "visible": [0.5] * 17}})
    cells = [f'{it["frame"]},person,"{{\'x1\': 1.0}}",{it["track_id"]},"{it["keypoints"]}"' for it in rows]
    (tmp_path / "a.csv").write_text("\n".join(["frame,name,box,track_id,keypoints", *cells]))
    written(tmp_path / "a.json", [it | {"box": {"x1": 1.0}} for it in rows])
    for name in ("a.csv", "a.json"):
        found = recordings(tmp_path / name)
        (clip,) = found.clips
        order = clip.keypoint[:, 0, 0, 0].argsort()
        assert found.format == "yolo"
        np.testing.assert_allclose(clip.keypoint[order], [places + [300 * who, 0] for who in (1, 2)], rtol=1e-5)


def test_pictures_of_animal_pose_are_names_by_number(tmp_path):
    names = [f"p{number}" for number in range(5)]
    content = {
        "images": {"1": "dog_0001.jpg", "2": "dog_0002.jpg"},
        "annotations": [
            {"image_id": it, "keypoints": [[10 * it + k, 20, 1] for k in range(5)], "category_id": 1} for it in (1, 2)
        ],
        "categories": [{"id": 1, "name": "dog", "keypoints": names, "skeleton": [[0, 1], [1, 2], [2, 3], [3, 4]]}],
    }
    (clip,) = read(written(tmp_path / "keypoints.json", content))
    assert (clip.name, clip.layout.joints) == ("dog", tuple(names))
    assert clip.keypoint[0, :, 2, 0].tolist() == [12, 22]
