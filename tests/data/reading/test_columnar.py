"""Parquet, Arrow and Feather whose cells hold lists, and Hugging Face's names of classes."""

import json

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.made_up import body

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
POSE = (200 + 100 * (body("coco17", 2) - body("coco17", 2).min(0))).round(1)
WALK = np.stack([POSE + [3 * t, 0] for t in range(8)])  # (T, V, 2)
SCORED = np.concatenate([WALK, np.full((8, 17, 1), 0.9)], -1)


def written(path, columns, stream=False):
    table = pa.table(columns)
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        new = pa.ipc.new_stream if stream else pa.ipc.new_file
        with new(str(path), table.schema) as file:
            file.write_table(table)
    return path


FRAME_A_ROW = {
    "numbers": {"frame": range(8), "keypoints": SCORED.reshape(8, 51).tolist()},
    "rows": {"frame": range(8), "keypoints": SCORED.tolist()},
    "a list an axis": {"frame": range(8), "x": WALK[..., 0].tolist(), "y": WALK[..., 1].tolist(),
                       "score": SCORED[..., 2].tolist()},
}  # fmt: skip


@pytest.mark.parametrize("name", ["walk.parquet", "walk.feather", "walk.arrow"])
@pytest.mark.parametrize("form", FRAME_A_ROW)
def test_lists_of_a_frame(tmp_path, name, form):
    columns = {key: list(value) for key, value in FRAME_A_ROW[form].items()}
    (clip,) = read(written(tmp_path / name, columns, stream=name.endswith("arrow")))
    assert clip.layout.name == "coco17"
    np.testing.assert_allclose(clip.keypoint[0], WALK, atol=0.05)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-5)


def test_bodies_of_two_videos_are_two_clips_with_their_people(tmp_path):
    """Each row is a body: its video, frame, person and label say where it belongs."""
    rows = [(video, t, who) for video in ("b", "a") for t in range(8) for who in (7, 5)]
    columns = {
        "video": [video for video, *_ in rows],
        "frame": [t for _, t, _ in rows],
        "track_id": [who for *_, who in rows],
        "label": ["wave" if video == "a" else "sit" for video, *_ in rows],
        "subject": [3 if video == "a" else 4 for video, *_ in rows],
        "keypoints": [(SCORED[t] + [60 * who, 0, 0]).ravel().tolist() for _, t, who in rows],
    }
    found = recordings(written(tmp_path / "all.parquet", columns))
    clips = {clip.name: clip for clip in found.clips}
    assert [found.class_names[clips[name].label] for name in "ab"] == ["wave", "sit"]
    assert [clips[name].attributes["subject"] for name in "ab"] == [3, 4]
    for clip in clips.values():
        order = clip.keypoint[:, 0, 0, 0].argsort()
        want = np.stack([WALK + [60 * who, 0] for who in (5, 7)])
        np.testing.assert_allclose(clip.keypoint[order], want, atol=0.05)


def test_a_clip_a_row_with_the_names_of_hugging_face(tmp_path):
    columns = {"id": ["a", "b"], "label": [1, 0], "keypoints": [SCORED.tolist(), SCORED[:5].tolist()]}
    features = {"label": {"names": ["sit", "wave"], "_type": "ClassLabel"}}
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "train.parquet")
    found = recordings(tmp_path / "train.parquet")
    clips = list(found.clips)
    said = [(clip.name, found.class_names[clip.label], clip.keypoint.shape) for clip in clips]
    assert said == [("a", "wave", (1, 8, 17, 2)), ("b", "sit", (1, 5, 17, 2))]


@pytest.mark.parametrize("name", ["cut.parquet", "cut.arrow"])
def test_a_cut_file_is_one_line(tmp_path, name):
    path = written(tmp_path / name, {"frame": [0], "keypoints": SCORED[:1].tolist()})
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match=f"{name} .*(readable|ends|recognises)") as error:
        list(read(path))
    assert "\n" not in str(error.value)
