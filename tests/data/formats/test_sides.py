"""Left and right, shoulders and spine of somebody's own layout, in every form that clips come in."""

import json

import numpy as np
import pytest
import yaml

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.formats import recordings
from kinegraph.skeleton.layout import load_layout

FULL = load_layout("kinect22")
OWN = {key: value for key, value in FULL.to_dict().items() if key in ("joints", "bones", "centre")} | {"name": "mine"}
KEYPOINT = np.random.default_rng(0).normal(0, 0.3, (6, 22, 3)).astype(np.float32)


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
