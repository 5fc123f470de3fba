"""The page of a test on long recordings: the curves follow the probabilities, and the worst stretch is played."""

import json
import re

import numpy as np

from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.evaluation.timelines import Timeline
from kinegraph.report.timelines_page import timelines_page, worst_scenes, worst_stretch
from kinegraph.skeleton.segment import Segment
from tests.report import moving

CLASSES = ["none", "walk <i>", "wave"]
FRAMES = 900


def recording(name: str, wrong: slice) -> Timeline:
    """Somebody waves from frame 300 to 600; the network says "walk" in some frames."""
    labels = np.zeros((FRAMES, 3), bool)
    labels[300:600, 2] = True
    labels[:, 0] = ~labels[:, 2]
    said = 0.8 * labels + 0.1
    said[wrong] = (0.05, 0.9, 0.05)
    return Timeline(name, said, labels, none=0, fps=30.0)


def test_the_worst_stretch_of_the_worst_recordings_is_played(tmp_path):
    clips = [
        moving.clip(frames=FRAMES, name=name, fps=30.0, segments=(Segment(300, 600, 2),))
        for name in ("good", "bad", "right")
    ]
    write_dataset(
        tmp_path / "data", clips, layout=clips[0].layout, class_names=CLASSES, units="m", source="made up", none=0
    )
    folder = open_dataset(tmp_path / "data")
    timelines = [recording("good", slice(0, 20)), recording("bad", slice(500, 740)), recording("right", slice(0, 0))]
    scenes = worst_scenes(timelines, folder)
    assert [it.name for it in scenes] == ["bad", "good"]  # none of the one without a mistake
    assert "80% of them wrong" in scenes[0].note
    assert scenes[0].clip.frames == 300
    assert 1 in scenes[0].answers.best()  # "walk", as the network says
    page = timelines_page(timelines, CLASSES, scenes=scenes)
    assert page.count("<figure") == 2
    walk, wave = re.findall(r'<span style="--colour:([^"]+)">(?:walk|wave)', page)
    players = re.findall(r'"names":(\[[^]]+\]).*?"colours":(\[[^]]+\])', page)
    for names, colours in players:  # as those of the timelines, none is grey
        known = {"none": "", "walk <i>": walk, "wave": wave}
        assert json.loads(colours) == [known[name] for name in json.loads(names)]
    assert len(players) == 2
    assert "walk <i>" not in page
    curves = re.findall(r'<polyline class="probability" points="([^"]+)"', page)
    assert len(curves) == 3 * 3
    heights = np.array(
        [float(spot.split(",")[1]) for spot in curves[2].split()]
    )  # of the worst: the likeliest in front
    assert np.ptp(heights) > 40


def test_a_stretch_is_where_most_is_wrong():
    wrong = np.zeros(50, bool)
    wrong[[3, 20, 22, 24]] = True
    first, last = worst_stretch(wrong, 6)
    assert (last - first, wrong[first:last].sum()) == (6, 3)
    assert worst_stretch(wrong, 60) == (0, 50)
