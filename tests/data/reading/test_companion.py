"""What a dataset knows survives the formats of others: convert and prepare bring every clip back as it was."""

import json

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.data.reading.steps.companion import FILE
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout


def clips() -> list[SkeletonClip]:
    """2D with scores; clips that begin and end without anybody, of several rates and picture sizes, some of unknown."""
    layout, rng, made = load_layout("openpose18"), np.random.default_rng(4), []
    for i in range(12):
        keypoint = rng.uniform(1, 900, (1 + i % 3, 9 + i, 18, 2)).astype(np.float32)
        score = rng.uniform(0.1, 1, keypoint.shape[:3]).astype(np.float32)
        keypoint[:, -2:], score[:, -2:] = 0, 0
        keypoint[-1, 4:] = 0
        clip = SkeletonClip(
            keypoint, layout, f"Übung {i}, #{i}", i % 3, score,
            fps=None if i % 4 == 0 else 25 + i / 8,
            image_size=None if i % 5 == 0 else (640 + i, 480),
            attributes={"subject": i // 2, "room": f"Küche {i % 2}", "take": -i},
            splits={"xsub": ("train", "val", "test")[i % 3], "fold 1": "val" if i < 4 else "train"},
        )  # fmt: skip
        made.append(clip)
    return made


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("about")
    names, layout = ["gehen", "stehen, lange", "#3"], load_layout("openpose18")
    options = {"layout": layout, "class_names": names, "units": "px", "source": "made up", "licence": "CC0 1.0"}
    return write_dataset(folder / "data set", clips(), **options)


FORMATS = {  # format -> its options, and the source that reads it
    "pyskl": ([], "annotations"),
    "mmaction0": (["--split", "xsub", "--part"], "annotations"),
    "npy": (["--split", "xsub", "--frames", "30", "--people", "3"], "npy"),
    "tfrecord": (["--split", "xsub", "--frames", "30", "--people", "3", "--shards", "2"], "tfrecord"),
}


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_lost_on_the_way_there_and_back(dataset, tmp_path, capsys, format):
    options, source = FORMATS[format]
    out = tmp_path / ("made.pkl" if format in ("pyskl", "mmaction0") else "made")
    if format == "mmaction0":
        for part in ("train", "val", "test"):
            one = tmp_path / f"made_{part}.pkl"
            assert main(["convert", str(dataset.path), str(one), "--format", format, *options, part]) == 0
        out = tmp_path / "made"
    else:
        assert main(["convert", str(dataset.path), str(out), "--format", format, *options]) == 0
    capsys.readouterr()
    main(["inspect", "--json", str(tmp_path / "made_val.pkl" if format == "mmaction0" else out)])
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert set(facts["classes"]["names"].values()) <= set(dataset.class_names)
    assert (facts["layout"], facts["source"], "xsub" in facts["splits"]) == ("openpose18", "made up", True)
    assert main(["prepare", source, str(out), str(tmp_path / "back")]) == 0, capsys.readouterr().err
    back = open_dataset(tmp_path / "back")
    for field in ("layout", "class_names", "units", "source", "licence", "has_score"):
        assert getattr(back, field) == getattr(dataset, field), field
    assert sorted(back.names) == sorted(dataset.names)
    for i, name in enumerate(back.names):
        found, meant = back[i], dataset[dataset.names.index(name)]
        for field in ("label", "fps", "image_size", "attributes", "splits"):
            assert getattr(found, field) == getattr(meant, field), (name, field)
        np.testing.assert_array_equal(found.keypoint, meant.keypoint)
        np.testing.assert_array_equal(found.score, meant.score)


def test_what_is_not_written_is_told(dataset, tmp_path, capsys):
    out = tmp_path / "val.pkl"
    options = ["--format", "mmaction0", "--split", "xsub", "--part", "val"]
    assert main(["convert", str(dataset.path), str(out), *options]) == 0
    record = " ".join(capsys.readouterr().out.split())
    assert "4 of the dataset's 12 clips: val" in record
    assert str(tmp_path / f"val.{FILE}") in record


@pytest.mark.parametrize(
    ("key", "value"),
    [("fps", "fast"), ("fps", -1), ("frames", 0), ("people", 2.0), ("image_size", [640]), ("attributes", {"a": 1.5})]
    + [("splits", ["train"]), ("splits", {"xsub": 3})],
)
def test_a_wrong_entry_is_named_with_its_clip(dataset, tmp_path, capsys, key, value):
    folder = tmp_path / "made"
    options = ["--format", "npy", "--split", "xsub", "--frames", "30", "--people", "3"]
    assert main(["convert", str(dataset.path), str(folder), *options]) == 0
    about = json.loads((folder / FILE).read_text(encoding="utf-8"))
    about["clips"]["Übung 5, #5"][key] = value
    (folder / FILE).write_text(json.dumps(about), encoding="utf-8")
    capsys.readouterr()
    assert main(["prepare", "npy", str(folder), str(tmp_path / "back")]) == 2
    error = capsys.readouterr().err
    assert f"clip 'Übung 5, #5' has as '{key}'" in error
    assert error.count("\n") == 1


def test_more_than_the_disk_holds_is_refused(dataset, tmp_path, capsys):
    wanted = ["--format", "npy", "--split", "xsub", "--people", "3", "--frames", "1000000000000"]
    assert main(["convert", str(dataset.path), str(tmp_path / "made"), *wanted]) == 2
    assert "GB are free" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
