"""The steps of a clip: left and right, shoulders and spine of somebody's own layout, bones, in every form of clips."""

import json

import numpy as np
import pytest
import yaml

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.read import recordings
from kinegraph.data.reading.steps.bones import layout_of_lines
from kinegraph.skeleton.layout import load_layout
from kinegraph.skeleton.proportions import shortest_lines

FULL = load_layout("kinect22")
OWN = {key: value for key, value in FULL.to_dict().items() if key in ("joints", "bones", "centre")} | {"name": "mine"}
KEYPOINT = np.random.default_rng(0).normal(0, 0.3, (6, 22, 3)).astype(np.float32)
# A stick figure: two legs on a pelvis, a spine above it.
NAMES = ("LANK", "RANK", "LKNE", "RKNE", "SACR", "C7")
PLACES = np.array([[0.3, 0, 0], [-0.3, 0, 0], [0.3, 0.4, 0], [-0.3, 0.4, 0], [0, 0.8, 0], [0, 1.3, 0]])
BONES = {("LANK", "LKNE"), ("RANK", "RKNE"), ("LKNE", "SACR"), ("RKNE", "SACR"), ("C7", "SACR")}


def as_json(folder, layout):
    clip = {"name": "a", "keypoint": KEYPOINT[None].tolist()}
    (folder / "own.json").write_text(json.dumps({"units": "m", "clips": [clip], "layout": layout}))
    return folder / "own.json", {}


def as_csv(folder, layout):
    rows = [f"a,{t},{joint},{x},{y},{z}" for t, pose in enumerate(KEYPOINT) for joint, (x, y, z) in
            zip(OWN["joints"], pose.tolist(), strict=True)]  # fmt: skip
    (folder / "own.csv").write_text("\n".join(["clip,frame,joint,x,y,z", *rows]))
    (folder / "own.yaml").write_text(yaml.safe_dump(layout))
    return folder / "own.csv", {"layout": str(folder / "own.yaml"), "units": "m"}


@pytest.mark.parametrize("written", [as_json, as_csv])
def test_they_are_inferred_and_said(tmp_path, written):
    path, options = written(tmp_path, OWN)
    found = recordings(path, **options)
    (clip,) = found.clips
    assert clip.layout == found.layout
    assert {frozenset(pair) for pair in clip.layout.mirror} == {frozenset(pair) for pair in FULL.mirror}
    assert [clip.layout.joints[i] for i in clip.layout.spine] == ["waist", "chest"]
    assert clip.layout.shoulders is not None
    assert any("left and right by the names of the joints: 8 pairs" in line for line in found.assumed)


def test_what_the_layout_says_stays_and_nothing_is_said(tmp_path):
    path, options = as_csv(tmp_path, OWN | {"mirror": [], "shoulders": None, "spine": None})
    found = recordings(path, **options)
    (clip,) = found.clips
    assert (clip.layout.mirror, clip.layout.shoulders) == ((), None)
    assert not any("left" in line for line in found.assumed)


def test_an_npz_whose_sides_hang_differently_has_mirror_pairs_all_the_same(tmp_path, capsys):
    """The tree of its bones begins at the right shoulder."""
    np.savez(
        tmp_path / "own.npz", keypoint=np.random.default_rng(0).normal(0, 1, (6, 4, 3)), length=np.array([3, 3]),
        joint_names=np.array(["right_shoulder", "left_shoulder", "left_hand", "right_hand"]),
        parents=np.array([-1, 0, 1, 2]),
    )  # fmt: skip
    assert main(["prepare", str(tmp_path / "own.npz"), str(tmp_path / "out"), "--units", "m"]) == 0
    assert "bone 'left_hand' - 'left_shoulder' has no mirror image" in capsys.readouterr().out
    assert len(open_dataset(tmp_path / "out").layout.mirror) == 2


# ---- bones of points that no file connects ---------------------------------------------------------------------------


def trc(path, names, places):
    """Two frames of markers, the second one a step ahead."""
    head = ["PathFileType\t4\t(X/Y/Z)\twalk.trc", "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits"]
    head += [
        f"60\t60\t2\t{len(names)}\tm",
        "Frame#\tTime\t" + "\t\t\t".join(names),
        "\t\t" + "X\tY\tZ\t" * len(names),
        "",
    ]
    rows = [f"{i + 1}\t{i / 60}\t" + "\t".join(map(str, (places + [0, 0, i]).ravel())) for i in range(2)]
    path.write_text("\n".join(head + rows) + "\n")
    return path


def test_bones_are_the_shortest_lines_and_their_mirror_images(tmp_path):
    found = recordings(trc(tmp_path / "walk.trc", NAMES, PLACES))
    (clip,) = found.clips
    name = clip.layout.joints.__getitem__
    assert clip.layout.joints == NAMES
    assert {tuple(sorted((name(i), name(j)))) for i, j in clip.layout.bones} == BONES
    assert clip.layout.mirror == ((0, 1), (2, 3))
    np.testing.assert_allclose(clip.keypoint[0, 1], PLACES + [0, 0, 1], rtol=1e-6)
    assert any(
        "the shortest lines between the 6 joints, the file names none (--layout my.yaml" in it for it in found.assumed
    )
    assert "bones" not in found.guessed


def test_a_joint_that_is_never_seen_is_still_connected():
    bodies = np.repeat(PLACES[None], 3, 0)
    bodies[:, 3] = 0
    lines = shortest_lines(bodies)
    assert {joint for pair in lines for joint in pair} == set(range(6))
    assert layout_of_lines(load_layout("coco17"), [(i, 0) for i in range(1, 17)]).centre == 0


def test_a_layout_is_known_among_further_markers(tmp_path):
    body = [joint for joint in load_layout("openpose25").joints if "eye" not in joint and "ear" not in joint]
    names = [*body, "r.ASIS_study", "L.PSIS_study"]
    places = np.arange(3.0 * len(names)).reshape(-1, 3) / 50
    found = recordings(trc(tmp_path / "walk.trc", names, places))
    (clip,) = found.clips
    assert clip.layout.name == "openpose25"
    np.testing.assert_allclose(
        clip.keypoint[0, 0, clip.layout.joints.index("left_knee")], places[names.index("left_knee")]
    )
    assert any("2 markers without a joint of it: r.ASIS_study, L.PSIS_study" in line for line in found.skipped())


def test_bones_of_joints_that_only_have_names_keep_their_length(tmp_path):
    """A hand that hangs beside a hip, nearer than its elbow: it moves away from it, not from the elbow."""
    names = ["kopf", "hals", "ellbogen", "hand", "becken", "knie", "fuss"]
    rows = ["frame,joint,x,y,z"]
    for frame in range(12):
        turn = 0.7 * np.sin(frame)
        hand = (0.3 + 0.3 * np.sin(turn), 1.3 - 0.3 * np.cos(turn))
        places = [(0, 1.8), (0, 1.6), (0.3, 1.3), hand, (0.1, 0.97), (0, 0.5), (0, 0.1)]
        rows += [f"{frame},{name},{x:.4f},{y:.4f},0.1" for name, (x, y) in zip(names, places, strict=True)]
    (tmp_path / "own.csv").write_text("\n".join(rows))
    found = recordings(tmp_path / "own.csv", units="m", up="y")
    (clip,) = found.clips
    bones = {frozenset((clip.layout.joints[i], clip.layout.joints[j])) for i, j in clip.layout.bones}
    assert frozenset(("hand", "ellbogen")) in bones
    assert frozenset(("hand", "becken")) not in bones
    assert any(line.startswith("bones: the shortest lines between the 7 joints") for line in found.assumed)


def test_scores_in_percent_and_9999_for_unseen(tmp_path):
    """Both are said."""
    rng = np.random.default_rng(0)
    walk = 300 + 200 * rng.uniform(-1, 1, (17, 2)) + np.arange(12)[:, None, None]
    walk[3:5, 9] = 9999
    score = rng.uniform(40, 98, (12, 17)).round()
    np.savez(tmp_path / "a.npz", keypoints=walk, scores=score)
    found = recordings(tmp_path / "a.npz", layout="coco17", units="px")
    (clip,) = found.clips
    assert not clip.keypoint[0, 3:5, 9].any()
    np.testing.assert_allclose(clip.score[0, 5:], score[5:] / 100, rtol=1e-5)
    said = "; ".join(found.changed())
    assert "scores are in percent, as they go up to 98: divided by 100" in said
    assert "2 joints whose coordinates are all 9999 count as not seen" in said
