"""JSON and tables of people's own scripts: the same bodies in the shapes that such scripts write."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kinegraph.data.formats.json_frame import parsed_line
from kinegraph.data.read import recordings
from kinegraph.data.tracking import CROWD
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

NAMES = load_layout("coco17").joints
POSE = (200 + 100 * (body("coco17", 2) - body("coco17", 2).min(0))).round(1)
FRAMES = [[POSE + [3 * t, 0], POSE + [400 - 3 * t, 0]] for t in range(4)]  # two people who walk towards each other


def rows(pose):
    return [[*point, 0.9] for point in pose.tolist()]


def flat(pose):
    return [number for row in rows(pose) for number in row]


def named(pose):
    return [{"name": n, "x": x, "y": y, "confidence": 0.9} for n, (x, y) in zip(NAMES, pose.tolist(), strict=True)]


def records(shape, **more):
    """A record for each person and frame, in which the people change their order."""
    each = [(t, who, FRAMES[t][who]) for t in range(4) for who in ((0, 1) if t % 2 else (1, 0))]
    return [{"frame": t, "track_id": who + 5, "keypoints": shape(pose)} | more for t, who, pose in each]


def framed(people, shape, frame="frame", **more):
    """A list of frames with their people, who change their order."""
    each = [(t, [(who, FRAMES[t][who]) for who in ((0, 1) if t % 2 else (1, 0))]) for t in range(4)]
    return [
        {frame: t, people: [{"id": who, "keypoints": shape(pose)} | more for who, pose in there]} for t, there in each
    ]


FORMS = {
    "records of rows": records(rows, bbox=[1, 2, 3, 4]),
    "records of numbers": records(flat),
    "records of points": records(named),
    "records with scores apart": records(lambda pose: pose.tolist(), keypoint_scores=[0.9] * 17),
    "people of rows": framed("people", rows),
    "persons of rows": {"fps": "30", "frames": framed("persons", rows, "frame_idx")},
    "people of points": framed("people", named),
    "persons with scores apart": {
        "frames": framed("persons", lambda it: it.tolist(), "frame_idx", keypoint_scores=[0.9] * 17)
    },
    "frames of each person": {
        str(who): [{"frame_idx": t, "keypoints": rows(FRAMES[t][who])} for t in range(4)] for who in (0, 1)
    },
    "tracks": {
        "tracks": [
            {"id": who, "frames": [{"frame": t, "keypoints": rows(FRAMES[t][who])} for t in range(4)]} for who in (0, 1)
        ]
    },
    "OpenPifPaf": framed("predictions", flat, bbox=[1, 2, 3, 4], category_id=1),
    "easy_ViTPose": {
        "keypoints": [
            {str(who): [[y, x, 0.9] for x, y in pose.tolist()] for who, pose in enumerate(it)} for it in FRAMES
        ],
        "skeleton": {str(number): name for number, name in enumerate(NAMES)},
    },
    "SuperAnimal": [{"bodyparts": [rows(pose) for pose in there], "bboxes": [[1, 2, 3, 4]] * 2} for there in FRAMES],
    "places as lists": framed(
        "people",
        lambda pose: [
            {"name": n, "position": at, "confidence": 0.9} for n, at in zip(NAMES, pose.tolist(), strict=True)
        ],
    ),
    "frames in steps of 30": [{"frame": 30 * it["frame"], "people": it["people"]} for it in framed("people", rows)]
    + [{"frame": 120, "people": []}],
}


@pytest.mark.parametrize("form", FORMS)
def test_people_by_their_ids(tmp_path, form):
    path = tmp_path / "walk.json"
    path.write_text(json.dumps(FORMS[form]))
    found = recordings(path)
    (clip,) = found.clips
    clip = replace(clip, keypoint=clip.keypoint[:, :4], score=clip.score[:, :4])
    assert (found.units, clip.layout.name, clip.keypoint.shape) == ("px", "coco17", (2, 4, 17, 2))
    first = clip.keypoint[:, 0, 0, 0].argsort()  # which body is the one on the left
    for t in range(4):
        np.testing.assert_allclose(clip.keypoint[first, t], np.array(FRAMES[t]), atol=0.05)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-5)


def test_people_of_a_picture_each(tmp_path):
    """As OpenPifPaf writes them: a list of detections beside each picture, which were frames of one person."""
    for t, there in enumerate(FRAMES):
        people = [{"keypoints": flat(pose), "bbox": [1, 2, 3, 4], "score": 0.9, "category_id": 1} for pose in there]
        (tmp_path / f"img_{t:04}.jpg.predictions.json").write_text(json.dumps(people))
    (clip,) = recordings(tmp_path).clips
    assert clip.keypoint.shape == (2, 4, 17, 2)
    np.testing.assert_allclose(clip.keypoint[:, 3], FRAMES[3], atol=0.05)


def test_points_of_all_frames_under_a_name(tmp_path):
    """As of DREAM: an object of joints whose x, y and z are lists."""
    places = np.stack([body("coco17") + [0.1 * t, 0, 0] for t in range(6)])
    joints = {name: dict(zip("xyz", places[:, i].T.tolist(), strict=True)) for i, name in enumerate(NAMES)}
    path = tmp_path / "child.json"
    path.write_text(json.dumps({"condition": "RET", "frame_rate": 25, "skeleton": joints}))
    (clip,) = recordings(path).clips
    assert (clip.layout.name, clip.fps) == ("coco17", 25)
    np.testing.assert_allclose(clip.keypoint[0], places, rtol=1e-5)


def test_poses_with_times_are_frames_and_say_the_rate(tmp_path):
    path = tmp_path / "walk.json"
    path.write_text(json.dumps({"poses": [{"timestamp": 40 * t, "keypoints": named(FRAMES[t][0])} for t in range(4)]}))
    found = recordings(path)
    (clip,) = found.clips
    assert (clip.keypoint.shape, clip.fps) == ((1, 4, 17, 2), 25)
    assert "25 frames a second by the times of the frames (--fps)" in found.assumed


def test_times_that_count_frames_say_no_rate(tmp_path):
    path = tmp_path / "walk.json"
    path.write_text(json.dumps([{"time": t, "keypoints": named(FRAMES[t][0])} for t in range(4)]))
    assert next(recordings(path).clips).fps is None


def test_null_and_nan_are_not_seen(tmp_path):
    path, frames = tmp_path / "walk.json", [rows(there[0]) for there in FRAMES]
    frames[1][4], frames[2][6] = [None, None, None], [float("nan")] * 3
    path.write_text(json.dumps([{"frame": t, "landmarks": frame} for t, frame in enumerate(frames)]))
    (clip,) = recordings(path).clips
    assert np.argwhere(clip.score[0] == 0).tolist() == [[1, 4], [2, 6]]
    assert not clip.keypoint[0, 1, 4].any()


def test_more_ids_than_a_clip_has_bodies(tmp_path):
    path = tmp_path / "walk.json"
    path.write_text(
        json.dumps([{"frame": t, "track_id": t, "keypoints": rows(POSE + [t % 7, 0])} for t in range(CROWD + 9)])
    )
    (clip,) = recordings(path).clips
    assert clip.keypoint.shape[:2] == (CROWD, CROWD + 9)


def table(path, header, more=""):
    """A table of the first person, under a header of the form given."""
    columns = [header.format(name=name, axis=axis) for name in NAMES for axis in "xy"]
    lines = [",".join(map(str, [t, *FRAMES[t][0].ravel().tolist()])) for t in range(4)]
    path.write_text("\n".join([",".join(["frame", *columns]), *more.splitlines(), *lines]) + "\n\n")


@pytest.mark.parametrize(
    ("header", "more"),
    [
        ("{name}_{axis}", ",".join(["[frame]"] + ["[px]"] * 34)),
        ("{name}_{axis}", ",".join(["", *["px"] * 34])),
        ("{name} ({axis})", ""),
        ("{name}[{axis}]", ""),
    ],
)
def test_tables_with_a_row_of_units_and_axes_in_brackets(tmp_path, header, more):
    table(tmp_path / "walk.csv", header, more)
    (clip,) = recordings(tmp_path / "walk.csv").clips
    np.testing.assert_allclose(clip.keypoint[0], [there[0] for there in FRAMES], atol=0.05)


def test_the_number_of_a_pose_is_a_person(tmp_path):
    rows = [
        f"{t},{who},{name},{x},{y}"
        for t in range(4)
        for who in (0, 1)
        for name, (x, y) in zip(NAMES, FRAMES[t][who].tolist(), strict=True)
    ]
    (tmp_path / "walk.csv").write_text("\n".join(["frame,pose_id,landmark,x,y", *rows]))
    (clip,) = recordings(tmp_path / "walk.csv").clips
    np.testing.assert_allclose(clip.keypoint, np.array(FRAMES).swapaxes(0, 1), atol=0.05)


def test_nodes_with_the_names_of_a_layout_have_it(tmp_path):
    names = [NAMES[i] for i in (3, *range(3), *range(4, 17))]
    places = [FRAMES[t][0][[NAMES.index(name) for name in names]] for t in range(4)]
    header = ",".join(["track,frame_idx,instance.score", *(f"{name}.{it}" for name in names for it in "xy")])
    rows = [",".join(map(str, ["track_0", t, 0.9, *there.ravel().tolist()])) for t, there in enumerate(places)]
    (tmp_path / "walk.csv").write_text("\n".join([header, *rows]))
    found = recordings(tmp_path / "walk.csv")
    (clip,) = found.clips
    assert (found.format, found.assumed) == ("sleap", ("layout 'coco17' by the names of the nodes (--layout)",))
    np.testing.assert_allclose(clip.keypoint[0], [there[0] for there in FRAMES], atol=0.05)


def test_scores_beside_the_joints_count(tmp_path):
    path = tmp_path / "walk.json"
    frames = {f"frame_{t}": {"keypoints": FRAMES[t][0].tolist(), "scores": [0.7] * 16 + [0.2]} for t in range(4)}
    path.write_text(json.dumps(frames))
    (clip,) = recordings(path).clips
    np.testing.assert_allclose(clip.score[0, :, [0, 16]], [[0.7] * 4, [0.2] * 4], rtol=1e-5)


@pytest.mark.parametrize("people", ["people", "persons", "detections"])
def test_people_in_json_lines(tmp_path, people):
    path = tmp_path / "walk.jsonl"
    path.write_text("\n".join(map(json.dumps, framed(people, rows))))
    (clip,) = recordings(path).clips
    first = clip.keypoint[:, 0, 0, 0].argsort()
    np.testing.assert_allclose(clip.keypoint[first].swapaxes(0, 1), np.array(FRAMES), atol=0.05)


def test_a_line_in_pixels_is_no_fractions():
    in_pixels, parts = ({"keypoints": named(pose)} for pose in (POSE, POSE / 1000))
    assert not parsed_line(json.dumps(in_pixels), "a").fractions
    assert parsed_line(json.dumps(parts), "a").fractions


ONE, OTHER = ([{"keypoints": rows(FRAMES[t][who])} for t in range(4)] for who in (0, 1))
OF_VIDEOS = {
    "frames by number, people in a list": {
        name: {str(t): [body] for t, body in enumerate(bodies)} for name, bodies in (("a.mp4", ONE), ("b.mp4", OTHER))
    },
    "names without an ending": {
        name: {str(t): [body] for t, body in enumerate(bodies)} for name, bodies in (("a", ONE), ("b", OTHER))
    },
    "frames in a list": {"a.mp4": ONE, "b.mp4": OTHER},
    "joints alone": {
        name: {str(t): body["keypoints"] for t, body in enumerate(bodies)}
        for name, bodies in (("a.mp4", ONE), ("b.mp4", OTHER))
    },
    "records": [
        {"video": name, "frame": t} | body for t in range(4) for name, body in (("a", ONE[t]), ("b", OTHER[t]))
    ],
    "records of pictures": [
        {"image": f"{name}/img_{t + 1:03}.jpg"} | body
        for t in range(4)
        for name, body in (("a", ONE[t]), ("b", OTHER[t]))
    ],
}


@pytest.mark.parametrize("form", OF_VIDEOS)
def test_videos_in_one_file_are_clips_and_no_people(tmp_path, form):
    content = OF_VIDEOS[form]
    (tmp_path / "all.json").write_text(json.dumps(content))
    files = [tmp_path / "all.json"]
    if isinstance(content, list):
        files.append(tmp_path / "all.jsonl")
        files[1].write_text("\n".join(map(json.dumps, content)))
    for file in files:
        clips = {clip.name: clip for clip in recordings(file).clips}
        for who, name in enumerate("ab"):
            np.testing.assert_allclose(clips[name].keypoint[0], [frame[who] for frame in FRAMES], atol=0.05)


WALK = np.array([frame[0] for frame in FRAMES])  # one person
SHUFFLED = list(np.random.default_rng(0).permutation(17))
BY_JOINT = {
    "rows": {name: WALK[:, j].tolist() for j, name in enumerate(NAMES)},
    "points": {name: [{"x": x, "y": y} for x, y in WALK[:, j].tolist()] for j, name in enumerate(NAMES)},
    "lists of x and y": {n: dict(zip("xy", WALK[:, j].T.tolist(), strict=True)) for j, n in enumerate(NAMES)},
}
RECORDS = [
    {"frame": t, **{f"{n}_{axis}": pose[j, i] for j, n in enumerate(NAMES) for i, axis in enumerate("xy")}}
    for t, pose in enumerate(WALK)
]
TABLES = {
    "records.json": RECORDS,
    "lists.json": {name: [row[name] for row in RECORDS] for name in RECORDS[0]},
    "columns.json": {name: {str(t): row[name] for t, row in enumerate(RECORDS)} for name in RECORDS[0]},
    "split.json": {"columns": list(RECORDS[0]), "data": [list(row.values()) for row in RECORDS]},
    "index.json": {str(t): row for t, row in enumerate(RECORDS)},
    "long.json": [
        {"frame": t, "joint": n, "x": x, "y": y}
        for t, pose in enumerate(WALK)
        for n, (x, y) in zip(NAMES, pose.tolist(), strict=True)
    ],
}


@pytest.mark.parametrize("form", BY_JOINT)
@pytest.mark.parametrize("around", [lambda it: it, lambda it: {"fps": 25, "joints": it}], ids=["alone", "inside"])
def test_joints_with_their_points_in_all_frames_are_one_person(tmp_path, form, around):
    path = tmp_path / "walk.json"
    path.write_text(json.dumps(around(BY_JOINT[form])))
    (clip,) = recordings(path).clips
    np.testing.assert_allclose(clip.keypoint, WALK[None], atol=0.01)


def test_joints_with_different_numbers_of_frames_are_a_fault(tmp_path):
    path = tmp_path / "walk.json"
    path.write_text(json.dumps(BY_JOINT["rows"] | {"nose": WALK[:3, 0].tolist()}))
    with pytest.raises(ValueError, match="3 frames of 'nose' and 4 of 'left_eye'"):
        recordings(path)


@pytest.mark.parametrize("file", TABLES)
def test_tables_as_json(tmp_path, file):
    path = tmp_path / file
    path.write_text(json.dumps(TABLES[file]))
    found = recordings(path)
    (clip,) = found.clips
    assert found.format == "table"
    assert clip.layout == load_layout("coco17")
    np.testing.assert_allclose(clip.keypoint, WALK[None], atol=0.01)


def test_a_record_a_line_is_a_table(tmp_path):
    path = tmp_path / "walk.jsonl"
    path.write_text("\n".join(map(json.dumps, RECORDS)))
    (clip,) = recordings(path).clips
    np.testing.assert_allclose(clip.keypoint, WALK[None], atol=0.01)


@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_clips_of_a_list_keep_their_labels(tmp_path, ending):
    path = tmp_path / f"clips.{ending}"
    clips = [{"id": f"c{i}", "action": "wave" if i else "bow", "keypoints": [*WALK.tolist()] * 2} for i in range(3)]
    path.write_text("\n".join(map(json.dumps, clips)) if ending == "jsonl" else json.dumps(clips))
    found = recordings(path)
    assert [(clip.name, found.class_names[clip.label]) for clip in found.clips] == [
        ("c0", "bow"), ("c1", "wave"), ("c2", "wave"),
    ]  # fmt: skip


@pytest.mark.parametrize("labels", [["wave"] * 4, ["wave", "wave", "bow", "bow"]])
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_labels_of_frames_are_the_clips_or_are_said(tmp_path, labels, ending):
    path = tmp_path / f"walk.{ending}"
    frames = [one | {"label": label} for one, label in zip(framed("people", rows), labels, strict=True)]
    path.write_text("\n".join(map(json.dumps, frames)) if ending == "jsonl" else json.dumps({"frames": frames}))
    found = recordings(path)
    (clip,) = found.clips
    lines = " ".join(found.skipped())
    same = len(set(labels)) == 1
    assert (clip.label, "labels of frames" in lines) == ((0, False) if same else (None, True))
    assert "wave" in found.class_names or not same


def test_names_of_joints_say_their_order(tmp_path):
    path = tmp_path / "walk.json"
    names = [NAMES[i] for i in SHUFFLED]
    path.write_text(json.dumps({"joint_names": names, "keypoints": WALK[:, SHUFFLED].tolist(), "meta": {"by": "me"}}))
    found = recordings(path)
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint, WALK[None], atol=0.01)
    assert "meta" in " ".join(found.skipped())


def test_names_and_bones_of_own_joints(tmp_path):
    path = tmp_path / "walk.json"
    own = {"keypoint_names": ["hub", "tip_left", "tip_right"], "edges": [[1, 0], [2, 0]]}
    path.write_text(json.dumps(own | {"data": WALK[:, :3].tolist()}))
    found = recordings(path)
    assert found.layout.joints == ("hub", "tip_left", "tip_right")
    assert {frozenset(bone) for bone in found.layout.bones} == {frozenset({0, 1}), frozenset({0, 2})}


def test_annotations_of_mmaction_written_as_json(tmp_path):
    path = tmp_path / "data.json"
    one = {"img_shape": [1080, 1920], "total_frames": 4, "keypoint": [WALK.tolist()]}
    items = [one | {"frame_dir": name, "label": i} for i, name in enumerate("ab")]
    path.write_text(json.dumps({"split": {"xsub_train": ["a"], "xsub_val": ["b"]}, "annotations": items}))
    clips = list(recordings(path).clips)
    assert [(it.name, it.label, it.splits, it.image_size) for it in clips] == [
        ("a", 0, {"xsub": "train"}, (1920, 1080)), ("b", 1, {"xsub": "val"}, (1920, 1080)),
    ]  # fmt: skip


def test_the_third_number_of_a_joint_in_pixels_is_its_score(tmp_path):
    path = tmp_path / "walk.json"
    path.write_text(json.dumps({"keypoints": [rows(frame[0]) for frame in FRAMES]}))
    (clip,) = recordings(path).clips
    np.testing.assert_allclose(clip.keypoint, WALK[None], atol=0.01)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-5)


def test_frames_of_easymocap(tmp_path):
    """keypoints3d/000000.json: people of OpenPose's 25 joints with x, y, z and confidence."""
    joints = body("openpose25")
    for t in range(3):
        people = [{"id": 0, "keypoints3d": [[*joint, 0.5] for joint in (joints + 0.1 * t).tolist()]}]
        (tmp_path / f"{t:06}.json").write_text(json.dumps(people))
    found = recordings(tmp_path, layout="openpose25")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0], [joints + 0.1 * t for t in range(3)], rtol=1e-5)
    np.testing.assert_allclose(clip.score, 0.5)


@pytest.mark.parametrize("cell", ["nested", "numbers", "between blanks"])
def test_lists_in_the_cells_of_a_csv(tmp_path, cell):
    """As pandas writes a column of lists: a row per body, of two videos."""
    lines = ["video,frame,track_id,label,keypoints"]
    for t in range(4):
        for video, who in (("a", 5), ("a", 7), ("b", 5)):
            pose = FRAMES[t][0] + [50 * who, 0]
            text = {
                "nested": str(rows(pose)),
                "numbers": str(flat(pose)),
                "between blanks": " ".join(map(str, flat(pose))),
            }
            lines.append(f'{video},{t},{who},{"wave" if video == "a" else "sit"},"{text[cell]}"')
    (tmp_path / "all.csv").write_text("\n".join(lines))
    found = recordings(tmp_path / "all.csv")
    clips = {clip.name: clip for clip in found.clips}
    assert [found.class_names[clips[name].label] for name in "ab"] == ["wave", "sit"]
    order = clips["a"].keypoint[:, 0, 0, 0].argsort()
    want = np.stack([[frame[0] + [50 * who, 0] for frame in FRAMES] for who in (5, 7)])
    np.testing.assert_allclose(clips["a"].keypoint[order], want, atol=0.05)
    np.testing.assert_allclose(clips["b"].keypoint[0], want[0], atol=0.05)


def test_clips_by_name_with_what_is_said_of_each(tmp_path):
    walk, other = WALK.tolist() * 3, (WALK + 5).tolist() * 3
    content = {
        "w": {"label": "walk", "fps": 25, "keypoints": walk},
        "s": {"label": "sit", "fps": 50, "keypoints": other},
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = recordings(tmp_path / "a.json")
    assert [(it.name, found.class_names[it.label], it.fps) for it in found.clips] == [
        ("w", "walk", 25),
        ("s", "sit", 50),
    ]
    (tmp_path / "b.json").write_text(json.dumps({"meta": {"fps": 30, "label": "walk"}, "data": walk}))
    found = recordings(tmp_path / "b.json")
    assert [(found.class_names[it.label], it.fps) for it in found.clips] == [("walk", 30)]


def test_ids_beside_all_joints_in_a_row_are_people(tmp_path):
    """Ultralytics: frame, id, x and y of all joints; ids that number the rows stay what they are."""
    header = ",".join(["frame,id", *(f"{axis}{i}" for i in range(17) for axis in "xy")])
    lines = [f"{t},{who + 3}," + ",".join(map(str, FRAMES[t][who].ravel())) for t in range(4) for who in (0, 1)]
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]))
    found = recordings(tmp_path / "a.csv")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint, np.array(FRAMES).swapaxes(0, 1), atol=0.05)
    assert not found.skipped()
    lines = [f"{t},{t}," + ",".join(map(str, FRAMES[t][0].ravel())) for t in range(4)]
    (tmp_path / "b.csv").write_text("\n".join([header, *lines]))
    assert next(recordings(tmp_path / "b.csv").clips).keypoint.shape[0] == 1


@pytest.mark.parametrize("around", [lambda it: it, lambda it: {"label": "walk", "fps": 30, "data": it}])
def test_rows_of_numbers_are_the_joints_of_a_frame(tmp_path, around):
    (tmp_path / "a.json").write_text(json.dumps(around([flat(frame[0]) for frame in FRAMES] * 3)))
    found = recordings(tmp_path / "a.json")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0, :4], [frame[0] for frame in FRAMES], atol=1e-3)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-6)
    assert found.class_names == (("walk",) if clip.fps else ())


def test_arrays_as_numpy_prints_them_in_the_cells_of_a_csv(tmp_path):
    cells = [np.array2string(frame[0], threshold=9999, max_line_width=60) for frame in FRAMES]
    (tmp_path / "a.csv").write_text("frame,keypoints\n" + "".join(f'{t},"{it}"\n' for t, it in enumerate(cells)))
    (clip,) = recordings(tmp_path / "a.csv", layout="coco17").clips
    np.testing.assert_allclose(clip.keypoint[0], [frame[0] for frame in FRAMES], atol=1e-3)


def test_people_under_their_ids_in_frames_by_number(tmp_path):
    one, other = POSE.tolist(), (POSE + [200, 0]).tolist()
    people = [[("7", one), ("3", other)], [("3", one), ("7", other)]]  # they change places, as their ids say
    (tmp_path / "a.json").write_text(json.dumps({str(t): dict(people[t > 2]) for t in range(6)}))
    (clip,) = recordings(tmp_path / "a.json").clips
    assert clip.keypoint.shape == (2, 6, len(POSE), 2)
    assert [np.ptp(it[:, 0, 0]) for it in clip.keypoint] == [200, 200]


def test_numbers_alone_beside_a_body_are_none(tmp_path):
    frames = {str(t): {"3": POSE.tolist(), "features": [0.5] * 34} for t in range(3)}
    (tmp_path / "a.json").write_text(json.dumps(frames))
    (clip,) = recordings(tmp_path / "a.json").clips
    np.testing.assert_allclose(clip.keypoint[0, 0], POSE, rtol=1e-6)
    assert clip.people == 1
