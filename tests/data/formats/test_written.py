"""What `convert` writes is read again as it was: clips, layout, units, classes, splits, attributes."""

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

LAYOUT = JointLayout.own(
    {
        "name": "arm",
        "joints": ["hand", "elbow", "trunk"],
        "bones": [["hand", "elbow"], ["elbow", "trunk"]],
        "centre": "trunk",
    }
)
OUT = {"pyskl": "out.pkl", "table": "out.csv", "npz": "out.npz", "movement": "out"}


def dataset(path, people: int, channels: int, scored: bool):
    """Two clips: odd numbers, unseen joints, an empty frame at each end, one clip without frame rate."""
    rng = np.random.default_rng(3)

    def clip(name: str, label: int, fps: float | None, part: str) -> SkeletonClip:
        keypoint = rng.normal(300, 200, (people, 6, 3, channels)).astype(np.float32)
        keypoint[:, [0, 5]] = 0
        keypoint[0, 2, 1] = 0
        score = rng.uniform(0.1, 1, keypoint.shape[:3]).astype(np.float32) * keypoint.any(3) if scored else None
        about = {"subject": label + 1, "place": f"hall {label}"}
        return SkeletonClip(keypoint, LAYOUT, name, label, score, fps, (640, 480), about, {"xsub": part})

    clips = [clip("b", 1, 29.97, "train"), clip("a", 0, None, "val")]
    facts = {"class_names": ("wave", "bow"), "units": "px" if channels == 2 else "m"}
    return write_dataset(path, clips, layout=LAYOUT, source="made up", licence="CC0", **facts)


@pytest.mark.parametrize("format", OUT)
@pytest.mark.parametrize(("people", "channels", "scored"), [(1, 2, True), (1, 3, False), (2, 2, True), (2, 3, True)])
def test_a_dataset_is_the_same_after_the_way_there_and_back(tmp_path, capsys, format, people, channels, scored):
    if format == "movement":
        pytest.importorskip("h5py")
    first = dataset(tmp_path / "first", people, channels, scored)
    out = tmp_path / OUT[format]
    code = main(["convert", str(tmp_path / "first"), str(out), "--format", format])
    if format == "npz" and people > 1:
        assert code == 2
        assert "clip 'b' has 2 people, a .npz holds one a clip" in capsys.readouterr().err
        assert not out.exists()
        return
    assert code == 0
    assert main(["prepare", str(out), str(tmp_path / "again")]) == 0, capsys.readouterr().err
    again = open_dataset(tmp_path / "again", check_values=True)
    for fact in ("layout", "class_names", "units", "source", "licence"):
        assert getattr(again, fact) == getattr(first, fact), fact
    assert sorted(again.names) == ["a", "b"]
    for i, name in enumerate(first.names):
        one, other = first[i], again[again.names.index(name)]
        np.testing.assert_array_equal(one.keypoint, other.keypoint)
        assert (one.score is None) == (other.score is None)
        if one.score is not None:
            np.testing.assert_array_equal(one.score, other.score)
        for fact in ("label", "fps", "image_size", "attributes", "splits"):
            assert getattr(one, fact) == getattr(other, fact), fact
