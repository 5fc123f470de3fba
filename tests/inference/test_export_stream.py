"""A graph of single frames answers as the exact engine does, without torch."""

import json
import subprocess
import sys

import numpy as np
import pytest

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference import export_stream as exporting
from kinegraph.models.agcn import AGCN
from kinegraph.models.stgcnpp import STGCNPP
from kinegraph.models.weights import save_weights
from tests.inference.test_stream import CAUSAL, push_all, recording, weights

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

KINDS = {
    "facing": {"strides": (1, 2)},  # motion waits for a frame; three people, one of them there
    "pixels": {"strides": (2, 3)},
    "none": {"kind": STGCNPP, "widths": (16, 32), "strides": (1, 1)},
}


def kept(folder, known):
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    save_weights(folder / "w.safetensors", known.model, **about, extra=known.extra)
    return folder / "w.safetensors"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Weights of a recipe of two people, and their graph."""
    folder = tmp_path_factory.mktemp("stream")
    known = weights(Preprocessing(people=2), strides=(1, 2), extra={"training": {"frames": [10, 20, 40]}})
    report = kg.export(kept(folder, known), folder / "live.onnx", stream=True)
    assert report.same == report.clips > 30
    return folder / "w.safetensors", folder / "live.onnx"


def same(one, other):
    for mine, theirs in zip(one, other, strict=True):
        assert [(it.person, it.start, it.stop, it.new) for it in mine] == [
            (it.person, it.start, it.stop, it.new) for it in theirs
        ]
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a.prediction.probabilities, b.prediction.probabilities, atol=2e-6)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_stream_of_the_file_is_that_of_the_weights(name, tmp_path):
    """People come, are lost for a moment and go; windows of some frames and of all."""
    how = dict(CAUSAL[name])
    layout = how.pop("layout", "ntu25")
    known = weights(Preprocessing(**how), layout, scored=layout == "coco17", **KINDS[name])
    kg.export(kept(tmp_path, known), tmp_path / "live.onnx", stream=True)
    clip = recording(45, 3, layout, seed=7)
    for window in (9, "start"):
        options = {"fps": 30, "people": 3, "window": window, "gap": 4, "image_size": clip.image_size, "compare": False}
        one, other = (kg.Stream(it, **options) for it in (tmp_path / "live.onnx", tmp_path / "w.safetensors"))
        assert (one.engine, one.delay, one.reason) == (other.engine, other.delay, None)
        for t in range(clip.frames):
            ids = [i for i in range(3) if (i == 0) or (i == 1 and t % 9 < 6) or (i == 2 and 11 < t < 30)]
            frame = clip.keypoint[ids, t], None if clip.score is None else clip.score[ids, t]
            same([one.push(*frame, ids=ids)], [other.push(*frame, ids=ids)])
        same([one.peek(), one.finish()], [other.peek(), other.finish()])


def test_the_graph_alone_needs_no_more_than_its_inputs(pair):
    """For a program in another language: zeros are a new person, and the mean of the logits is the answer."""
    known, file = pair
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    zeros = {"int64": np.int64, "float": np.float32}
    feed = {
        it.name: np.zeros([1, *it.shape[1:]], zeros[it.type[7:-1]]) for it in session.get_inputs() if it.name != "frame"
    }
    feed["there"][:] = 1
    names, rows, stream = [it.name for it in session.get_outputs()], [], kg.Stream(known, window="start", compare=False)
    for frame in recording(30).keypoint[0]:
        found = dict(zip(names, session.run(None, feed | {"frame": frame[None]}), strict=True))
        feed |= {name: found[f"next_{name}"] for name in feed if name != "there"}
        rows += [found["logits"][0]] if found["ready"][0] else []
        answers = stream.push(frame)
        if answers:
            logits = np.mean(rows, 0)
            logs = np.log(answers[0].prediction.probabilities)
            np.testing.assert_allclose(logits - logits.mean(), logs - logs.mean(), atol=1e-5 * logits.std())
    assert len(rows) == answers[0].stop // 2 + 1 > 5


def test_the_command_asks_it_without_torch(pair, tmp_path):
    clip = recording(60)
    np.savez(tmp_path / "clip.npz", keypoint=clip.keypoint[0], length=np.array([60]), joint_names=clip.layout.joints)
    code = "import sys; from kinegraph.cli import main; code = main(sys.argv[1:]); print(code, 'torch' in sys.modules)"
    said = []
    for file in pair:
        words = ["stream", file, tmp_path / "clip.npz", "--speed", "0", "--fps", "30", "--json", "--units", "m"]
        ran = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, timeout=60)
        said.append((ran.stdout.splitlines(), ran.stderr))
    assert said[0][0][-1] == "0 True", said[0]
    assert said[1][0][-1] == "0 False", said[1]
    assert "exact engine: an answer knows a frame 8 frames" in said[1][1]
    assert len(said[1][0]) == len(said[0][0]) > 20


def test_a_stream_of_the_file_goes_on_from_a_fork_and_from_a_file(pair, tmp_path):
    clip = recording(50, 2)
    stream = kg.Stream(pair[1], fps=30, people=2, compare=False)
    push_all(stream, clip)
    stream.save(tmp_path / "state")
    again, fork = kg.Stream(pair[1], fps=30, people=2, compare=False), stream.fork()
    again.restore(tmp_path / "state")
    wanted = push_all(stream, clip)
    same(push_all(fork, clip), wanted)
    same(push_all(again, clip), wanted)
    with pytest.raises(ValueError, match="is of a stream with another network"):
        kg.Stream(pair[0], fps=30, people=2, compare=False).restore(tmp_path / "state")


@pytest.mark.parametrize("damage", ["stride", "delay", "outputs"])
def test_a_file_that_is_not_as_it_says_is_refused(pair, tmp_path, damage):
    import onnx

    content = onnx.load(pair[1])
    if damage == "outputs":
        del content.graph.output[-1]
    else:
        (about,) = (it for it in content.metadata_props if it.key == "kinegraph")
        known = json.loads(about.value)
        known["frame_by_frame"][damage] = {"stride": 0, "delay": "8"}[damage]
        about.value = json.dumps(known)
    onnx.save(content, tmp_path / "live.onnx")
    with pytest.raises(ValueError, match="the graph of single frames is not as its metadata says"):
        kg.Stream(tmp_path / "live.onnx")


def test_what_it_is_not_for_is_one_line(pair, tmp_path, capsys, monkeypatch):
    def said(*words):
        assert main([str(word) for word in words]) == 2
        return capsys.readouterr().err

    np.savez(tmp_path / "clip.npz", keypoint=recording(9).keypoint[0], length=np.array([9]))
    assert "takes single frames: `kinegraph stream` asks it" in said("predict", pair[1], tmp_path / "clip.npz")
    assert "leave --int8 and --preprocessing out" in said(
        "export", pair[0], tmp_path / "a.onnx", "--stream", "--preprocessing", "graph"
    )
    with pytest.raises(ValueError, match="the window engine asks about clips"):
        kg.Stream(pair[1], engine="window")
    for known, reason in (
        (weights(Preprocessing(sampling="resample")), "sampling 'resample' chooses frames by the length"),
        (weights(Preprocessing(), kind=AGCN), "its graph compares the joints over all frames"),
    ):
        assert reason in said("export", kept(tmp_path, known), tmp_path / "a.onnx", "--stream")
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    assert "something else than the exact engine" in said("export", pair[0], tmp_path / "a.onnx", "--stream")
    assert not (tmp_path / "a.onnx").exists()
