"""Some of the classes, and several as one."""

import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.read import recordings
from kinegraph.data.reading.steps.class_choice import chosen
from tests import made_up


@pytest.fixture
def raw(tmp_path):
    """27 clips of the classes a, b and c."""
    return made_up.dataset(tmp_path / "raw").path


def prepared(raw, tmp_path, *words: str):
    assert main(["prepare", str(raw), str(tmp_path / "set"), *words]) == 0
    return open_dataset(tmp_path / "set")


def test_classes_come_in_the_order_in_which_they_are_named(raw, tmp_path, capsys):
    found = prepared(raw, tmp_path, "--classes", "c", "a")
    assert (found.class_names, found.label.tolist()) == (("c", "a"), [1, 0] * 9)
    assert [int(name[-3:]) % 3 for name in found.names] == [0, 2] * 9
    assert "skipped: 9 clips of classes that were not chosen: clip001" in capsys.readouterr().out


def test_several_classes_become_one(raw, tmp_path):
    found = prepared(raw, tmp_path, "--merge", "x=a,C")
    assert (found.class_names, found.label.tolist()) == (("x", "b"), [0, 1, 0] * 9)


def test_merging_comes_first(raw):
    found = chosen(recordings(raw), ["X"], ["x=a,b"])
    assert found.class_names == ("x",)
    assert len(list(found.clips)) == 18


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--classes", "d"], "there is no class 'd'"),
        (["--merge", "x"], "--merge is 'x', expected NEW=OLD,OLD"),
        (["--merge", "x=a,q"], "there is no class 'q'"),
    ],
)
def test_what_is_not_there_is_said(raw, tmp_path, capsys, words, message):
    assert main(["prepare", str(raw), str(tmp_path / "set"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
