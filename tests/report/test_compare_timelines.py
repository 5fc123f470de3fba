"""Tests on long recordings side by side: from the figures that they wrote."""

import json
import re

import pytest

from kinegraph.cli import main
from kinegraph.report.compare_timelines import read_timeline_test, timeline_verdicts


def written(folder, recordings: dict[str, float], subjects: dict[str, float] | None = None):
    """A folder as `kinegraph test --out` writes it; each recording has one figure for all."""
    folder.mkdir()
    parts = {"recordings": recordings, "subjects": subjects or {}}
    mean = sum(recordings.values()) / len(recordings)
    content = {"title": "Test <b>", "figures": {"frame_accuracy": mean, "f1_50": None, "delay_seconds": 0.5}}
    content["classes"] = {"walk & run": {"segments": 3, "f1_50": mean}, "none": {"segments": 0}}
    content |= {key: {name: {"frame_accuracy": share} for name, share in part.items()} for key, part in parts.items()}
    (folder / "figures.json").write_text(json.dumps(content))
    return folder


def test_recordings_that_both_have_are_compared(tmp_path, capsys):
    first = written(tmp_path / "first", {"a": 0.5, "b": 0.5, "c": 0.5})
    second = written(tmp_path / "second", {"a": 0.75, "b": 0.5, "d": 0.9})
    assert main(["report", str(first), str(second), "--out", str(tmp_path / "c.html")]) == 0
    said = capsys.readouterr().out
    assert "second has the higher frame accuracy in 1 of 2 recordings, the lower one in 0; p\xa0=\xa01.00" in said
    page = (tmp_path / "c.html").read_text()
    assert re.findall(r"<td>([abcd])</td>", page) == ["a", "b"]  # what gains most comes first
    assert "+25.0" in page
    assert "walk &amp; run" in page
    assert "<b>" not in page.split("<header>")[1].split("</header>")[0]


def test_of_five_subjects_these_are_counted(tmp_path):
    people = {f"P{i}": 0.5 for i in range(6)}
    first = read_timeline_test(written(tmp_path / "first", {"a": 0.5}, people))
    second = read_timeline_test(written(tmp_path / "second", {"a": 0.5}, {name: 0.6 for name in people}))
    (line,) = timeline_verdicts(first, second, ("one", "other"))
    assert line.startswith(
        "other has the higher frame accuracy in 6 of 6 subjects, the lower one in 0; p\xa0=\xa00.031"
    )
    assert timeline_verdicts(first, first, ("one", "other")) == ["other and one have the same figures."]


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "holds no figures"), ("{", "is not readable JSON"), (None, "is no test on long recordings")],
)
def test_what_is_no_such_test_is_one_line(tmp_path, capsys, content, message):
    first, other = written(tmp_path / "first", {"a": 0.5}), tmp_path / "other"
    other.mkdir()
    if content is not None:
        (other / "figures.json").write_text(content)
    assert main(["report", str(first), str(other), "--out", str(tmp_path / "c.html")]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert main(["report", str(first)]) == 2
    assert "whose page is" in capsys.readouterr().err
