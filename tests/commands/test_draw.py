"""`kinegraph draw` on files of every kind, and what it says where it cannot."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from kinegraph.cli import main
from kinegraph.data.dataset import write_dataset
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import save_weights
from kinegraph.skeleton import graph
from tests.report import moving


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two dataset folders, a JSON file of pixels, and weights of a network that fits the datasets."""
    folder = tmp_path_factory.mktemp("draw")
    clips = [moving.clip(name=f"lift{i}", people=1 + i, label=i % 2, fps=20.0) for i in range(3)]
    about = {"layout": clips[0].layout, "class_names": ["stand", "lift"], "units": "m", "source": "made up"}
    write_dataset(folder / "lifts", clips, **about)
    write_dataset(folder / "7", [moving.clip(name="7", fps=20.0), moving.clip(name="0", fps=20.0)], **about)
    flat = moving.flat_clip(people=1, frames=6)
    record = {"name": "flat", "keypoint": flat.keypoint.tolist(), "label": "wave"}
    (folder / "flat.json").write_text(json.dumps({"layout": "coco17_tree", "fps": 25, "clips": [record]}))
    torch.manual_seed(0)
    adjacency = torch.from_numpy(graph.adjacency(clips[0].layout)).float()
    how = {"people": 2, "normalize": "none", "sampling": "resample", "frames": 12, "streams": ["joint"]}
    network = STGCN(adjacency, 3, 2, widths=[4, 8])
    save_weights(folder / "untrained.safetensors", network, layout=clips[0].layout, class_names=["stand", "lift"],
                 preprocessing=how, extra={})  # fmt: skip
    return folder


def draw(place, *words: object) -> int:
    return main(["draw", *(str(word).format(**names(place)) for word in words)])


def names(place) -> dict:
    return {"lifts": place / "lifts", "seven": place / "7", "flat": place / "flat.json", "out": place / "out",
            "weights": place / "untrained.safetensors", "place": place}  # fmt: skip


def page_of(place, *words: object) -> str:
    assert draw(place, *words) == 0
    return (place / "out.html").read_text(encoding="utf-8")


def test_the_first_clip_is_drawn_and_it_is_said_how_to_take_another(place, capsys):
    page = page_of(place, "{lifts}", "{out}.html")
    assert '<div class="kg-title">lift0</div>' in page
    assert "label: stand" in page
    assert "40 frames, 2.0 s" in page
    told = capsys.readouterr()
    assert "drawing 'lift0', the first of its 3 clips" in told.err
    assert "such as 'lift1'" in told.err
    assert "out.html: lift0, 40 frames" in told.out


@pytest.mark.parametrize(("clip", "drawn"), [("lift2", "lift2"), ("1", "lift1"), ("0", "lift0")])
def test_a_clip_is_named_or_numbered(place, capsys, clip, drawn):
    assert f'<div class="kg-title">{drawn}</div>' in page_of(place, "{lifts}", "{out}.html", "--clip", clip)
    assert capsys.readouterr().err == ""


def test_a_number_goes_before_a_name(place):
    assert '<div class="kg-title">7</div>' in page_of(place, "{seven}", "{out}.html", "--clip", "0")


def test_every_kind_of_picture_is_written(place):
    pytest.importorskip("av")
    for kind in ("png", "gif", "mp4"):
        size = () if kind == "png" else ("--size", "200x160")
        assert draw(place, "{flat}", f"{{out}}.{kind}", "--theme", "dark", *size) == 0
    assert Image.open(place / "out.gif").size == (200, 160)
    assert np.asarray(Image.open(place / "out.png").convert("L")).mean() < 60
    assert (place / "out.mp4").read_bytes()[4:8] == b"ftyp"
    assert not list(place.glob(".out*"))


def test_a_networks_answer_is_told_and_drawn(place, capsys):
    page = page_of(place, "{lifts}", "{out}.html", "--clip", "lift1", "--weights", "{weights}", "--explain")
    assert '"answers":{' in page
    assert '"importance":"' in page
    assert "%" in capsys.readouterr().out.splitlines()[0]
    page = page_of(place, "{lifts}", "{out}.html", "--clip", "1", "--weights", "{weights}", "--window", "12")
    data = json.loads(page.partition('application/json">')[2].partition("</script>")[0])
    assert data["answers"]["edges"][-1] == data["shape"][1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("{lifts}", "{out}.avi"), "ends in '.avi', expected .html, .mp4, .gif, .png"),
        (("{lifts}", "{place}/no/out.html"), "there is no folder"),
        (("{place}/none", "{out}.html"), "there is no file or folder"),
        (("{lifts}", "{out}.html", "--clip", "lift9"), "has no clip 'lift9'; did you mean 'lift2'?"),
        (("{lifts}", "{out}.html", "--clip", "3"), "has no clip 3: its 3 clips are numbered 0 to 2"),
        (("{lifts}", "{out}.html", "--size", "640x480"), "--size is for .mp4 and .gif"),
        (("{lifts}", "{out}.gif", "--size", "big"), "size is 'big', expected width x height"),
        (("{lifts}", "{out}.gif", "--speed", "0"), "speed is 0, expected 0.01 to 100"),
        (("{lifts}", "{out}.png", "--frames", "0"), "frames is 0, expected at least 1"),
        (("{lifts}", "{out}.html", "--explain"), "--explain is for a network: give --weights too"),
        (("{lifts}", "{out}.html", "--weights", "{weights}", "--window", "9", "--explain"), "leave --window out"),
        (("{lifts}", "{out}.html", "--up", "w"), "expected one of"),
        (("{flat}", "{out}.html", "--weights", "{weights}"), "17 joints"),
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(place, capsys, words, told):
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert draw(place, *words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("kinegraph: ")
    assert told in error
    assert "\n" not in error
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before
