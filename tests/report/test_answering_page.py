"""The page that answers: files are read as Python reads them; with onnxruntime-web the scores are Python's.

The folder of onnxruntime-web is that of KINEGRAPH_ORT_WEB; without it a stand-in gives back what it gets.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import save_weights
from kinegraph.report.answering_page import MACHINE, SCRIPT
from tests.browser import needs_browser, open_page

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

STAND_IN = """
export const env = { wasm: {} };
export class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
export const InferenceSession = { create: async () => ({ run: async ({ recording }) => {
  window.given = { values: Array.from(recording.data), dims: recording.dims };
  return { logits: { data: Float32Array.from(Array(10).keys()) } };
} }) };
"""


def clip() -> kg.SkeletonClip:
    """One person, a joint and a frame of whom are not seen."""
    layout, rng = kg.load_model("ui-prmd-10").weights.layout, np.random.default_rng(0)
    body = rng.normal(0, 0.5, (1, 1, len(layout), 3)) + rng.normal(0, 0.02, (1, 40, len(layout), 3))
    body[0, 7] = body[0, 9, 4] = 0
    return kg.SkeletonClip(body.astype(np.float32), layout)


def as_csv(one: kg.SkeletonClip) -> str:
    shown = [(t, v) for t, v in np.ndindex(*one.keypoint.shape[1:3]) if one.keypoint[0, t, v].any()]
    rows = (f"{t + 5},{one.layout.joints[v]},{','.join(map(str, one.keypoint[0, t, v]))}" for t, v in shown)
    return "\n".join(["frame,joint,x,y,z", *rows])


def take(page, name: str, text: str) -> str:
    page.run(f"kinegraphAnswers.take(new File([{json.dumps(text)}], {json.dumps(name)}))")
    return page.run("document.getElementById('said').textContent")


def written(folder: Path, ort: Path) -> Path:
    assert main(["export", "ui-prmd-10", str(folder / "p.html"), "--page", "--ort", str(ort)]) == 0
    return folder / "p.html"


@needs_browser
def test_files_are_read_and_shown(tmp_path):
    (tmp_path / SCRIPT).write_text(STAND_IN)
    (tmp_path / MACHINE).write_bytes(b"")
    one, classes = clip(), kg.load_model("ui-prmd-10").weights.class_names
    one.keypoint[0, :, 0] = 0  # the first joint is never seen
    joints = [[joint if any(joint) else None for joint in frame] for frame in one.keypoint[0].tolist()]
    lines = "\n".join(json.dumps({"people": [{"keypoint": frame, "id": "a"}]}) for frame in joints)
    files = {"a.json": json.dumps({"keypoint": joints}), "a.csv": as_csv(one), "a.jsonl": '{"fps": 30}\n' + lines}
    files["b.json"] = files["a.json"].replace("null", "[NaN, NaN, NaN]")
    with open_page(written(tmp_path, tmp_path), 900, 1000) as page:
        page.until("window.kinegraphAnswers")
        for name, text in files.items():
            assert take(page, name, text).startswith(f"{classes[9]}, 63.2 %")
            given = page.run("given")
            assert given["dims"] == [1, 40, 22, 3]
            np.testing.assert_allclose(np.reshape(given["values"], one.keypoint.shape), one.keypoint, atol=1e-6)
            page.until("document.querySelector('.kg-player').player?.places().length")
        assert page.run("document.querySelectorAll('.kg-player').length") == 1
        wrong = {
            "b.csv": ("frame,x\n1,2", 'no column "joint"'),
            "c.csv": ("frame,joint,x,y,z\n1,<b>nose</b>,1,2,3", 'no joint "<b>nose</b>"'),
            "d.json": ("[[[1,2,3]]]", "has 1 joints, the network wants 22"),
            "e.json": (json.dumps(np.zeros((3, 22, 3)).tolist()), "shows nobody"),
            "f.json": ('{"keypoint": 3}', 'has no "keypoint"'),
            "g.jsonl": ('{"people": []}', "shows nobody"),
            "h.jsonl": (lines.replace('"people"', '"frame": 1, "people"'), "frame 1 follows frame 1"),
            "i.json": (json.dumps((one.keypoint[0] * 1000).tolist()), "bodies are"),
        }
        for name, (text, reason) in wrong.items():
            assert reason in take(page, name, text)
        assert [it for it in page.messages if "request to blob:" not in it] == []


def network_of_landmarks(path: Path) -> Path:
    """Weights of MediaPipe's body in pixels."""
    layout = kg.load_layout("blazepose33")
    steps = Preprocessing(people=1, normalize="sized", sampling="resample", frames=16).to_dict()
    model = STGCN(kg.adjacency(layout, "spatial"), 2, 10, widths=[4])
    extra = {"training": {"recorded": {"units": "px"}}}
    save_weights(path, model, layout=layout, class_names=[*"abcdefghij"], preprocessing=steps, extra=extra)
    return path


@needs_browser
def test_landmarks_of_mediapipe_are_read_as_python_reads_them(tmp_path):
    (tmp_path / SCRIPT).write_text(STAND_IN)
    (tmp_path / MACHINE).write_bytes(b"")
    weights = network_of_landmarks(tmp_path / "w.safetensors")
    assert main(["export", str(weights), str(tmp_path / "p.html"), "--page", "--ort", str(tmp_path)]) == 0
    rng, keys = np.random.default_rng(0), ("x", "y", "visibility")
    body = rng.uniform(0.3, 0.6, (33, 3)) + rng.uniform(0, 0.02, (12, 33, 3))
    frames = [[dict(zip(keys, point, strict=True)) for point in frame] for frame in body.round(4).tolist()]
    forms = {
        "points": frames,
        "objects": [{"pose_landmarks": frame, "pose_world_landmarks": frame} for frame in frames],
        "people": [{"landmarks": [frame, frames[0]]} for frame in frames],
    }
    with open_page(tmp_path / "p.html", 900, 1000) as page:
        page.until("window.kinegraphAnswers")
        for name, form in forms.items():
            text = json.dumps({"image_size": [640, 480], "fps": 25, "frames": form})
            assert take(page, "a.json", text).startswith("j, 63.2 %"), name
            (tmp_path / "a.json").write_text(text)
            (wanted,) = kg.read(tmp_path / "a.json", image_size="640x480", layout="blazepose33")
            wanted = wanted.keypoint[:1]
            np.testing.assert_allclose(np.reshape(page.run("given.values"), wanted.shape), wanted, atol=1e-4)
        assert "fractions of the picture" in take(page, "a.json", json.dumps(frames))


@needs_browser
@pytest.mark.skipif("KINEGRAPH_ORT_WEB" not in os.environ, reason="KINEGRAPH_ORT_WEB names no onnxruntime-web")
def test_the_browser_gives_the_scores_of_python(tmp_path):
    one = clip()
    wanted = kg.predict("ui-prmd-10", one, compare=False).probabilities
    with open_page(written(tmp_path, Path(os.environ["KINEGRAPH_ORT_WEB"])), 900, 1000) as page:
        page.until("window.kinegraphAnswers", 60)
        asked = f"kinegraphAnswers.read('a.csv', {json.dumps(as_csv(one))})"
        found = np.array(page.run(f"kinegraphAnswers.scores({asked}).then((it) => Array.from(it))"))
    np.testing.assert_allclose(np.exp(found) / np.exp(found).sum(), wanted, atol=1e-5)


def test_what_is_missing_is_said(tmp_path, capsys):
    out = tmp_path / "p.html"
    assert main(["export", "ui-prmd-10", str(out), "--page", "--ort", str(tmp_path)]) == 2
    assert "npm pack onnxruntime-web" in capsys.readouterr().err
    assert main(["export", "ui-prmd-10", str(out), "--page"]) == 2
    assert "--ort FOLDER" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
