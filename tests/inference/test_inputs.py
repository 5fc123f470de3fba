"""Recordings as questions to a network: what is read follows from what the network knows."""

import json

from kinegraph.data.reading.clips.openpose_parts import holistic
from kinegraph.inference.inputs import read_inputs
from kinegraph.skeleton.layout import load_layout
from tests.data.formats.test_mediapipe import landmarks, of_include, points


def test_hands_that_the_network_knows_are_read_where_the_files_have_them(tmp_path):
    """As prepare does with --parts body hands; files without hands are read as they are."""
    (tmp_path / "signs.json").write_text(json.dumps(of_include()[0]))
    (tmp_path / "walk.json").write_text(json.dumps([points(frame) for frame in landmarks()]))
    names = []
    for file in ("signs.json", "walk.json"):
        (found,) = read_inputs([tmp_path / file], layout=holistic())
        names.append(next(iter(found.clips)).layout.name)
    assert names == ["blazepose33 and hands", "blazepose33"]
    (found,) = read_inputs([tmp_path / "signs.json"], layout=load_layout("blazepose33"))
    assert next(iter(found.clips)).layout.name == "blazepose33"
