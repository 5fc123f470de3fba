"""`kinegraph stream` of pictures: a generated video, an estimator under test, the latest picture of a camera."""

import json
import time
from contextlib import contextmanager

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.weights import save_weights
from kinegraph.skeleton.layout import load_layout
from tests.inference.test_stream import weights

av = pytest.importorskip("av")

from kinegraph.data.pose import camera  # noqa: E402
from kinegraph.data.pose.film import Picture  # noqa: E402
from tests.data.formats.test_video import HIGH, WIDE, film  # noqa: E402

PLUGIN = """
from tests.data.formats.test_video import Squares
see = Squares()
def squares(image):
    return see(image)
squares.layout = "coco17"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights for pixels of coco17, a video of a person who walks, one of nobody, an estimator."""
    folder = tmp_path_factory.mktemp("pictures")
    known = weights(Preprocessing(people=1, normalize="image"), "coco17", scored=True)
    about = {"layout": load_layout("coco17"), "class_names": known.class_names, "preprocessing": known.preprocessing}
    extra = {"training": {"frames": [10, 10, 10]}}
    save_weights(folder / "w.safetensors", known.model, **about, extra=extra)
    (folder / "squares.py").write_text(PLUGIN)
    film(folder / "walk.mp4", [[(40.0 + t, 60.0)] for t in range(40)])
    film(folder / "empty.mp4", [[]] * 12)
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def run(capsys, *words: object) -> tuple[int, list[dict], str]:
    options = "--plugins", "squares.py", "--pose", "squares.squares"
    code = main(["stream", "w.safetensors", *map(str, words), *options])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_a_video_is_watched_while_it_is_decoded(here, capsys):
    """The answers are those of the joints, as a file of JSON lines."""
    code, lines, err = run(capsys, "walk.mp4", "--speed", 0, "--show", "answers")
    assert code == 0, err
    way = np.linspace(0, 1, 17)[:, None]
    with open("walk.jsonl", "w") as file:
        print(json.dumps({"layout": "coco17", "fps": 30, "image_size": [WIDE, HIGH]}), file=file)
        for t in range(40):
            joints = np.array([32.0 + t, 52.0]) * (1 - way) + np.array([48.0 + t, 68.0]) * way
            person = {"id": 1, "keypoint": joints.tolist(), "score": [0.9] * 17}
            print(json.dumps({"frame": t, "people": [person]}), file=file)
    assert main(["stream", "w.safetensors", "walk.jsonl", "--speed", "0", "--show", "answers"]) == 0
    same = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == len(same) > 5
    for one, other in zip(lines, same, strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=2e-3)
        assert one["frame"] == other["frame"]


def test_a_camera_is_watched_and_recorded(here, capsys, monkeypatch):
    """Frames have the numbers of their moments: pictures that came meanwhile are frames without anybody."""

    @contextmanager
    def two_of_three(source):
        with av.open("walk.mp4") as file:
            images = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        yield 30.0, (Picture(t / 30, image) for t, image in enumerate(images) if t % 3)

    monkeypatch.setattr("kinegraph.commands.stream_sources.camera", two_of_three)
    code, lines, err = run(capsys, "0", "--record", "r.jsonl")
    assert code == 0, err
    assert lines
    head, *frames = [json.loads(line) for line in (here / "r.jsonl").read_text().splitlines()]
    assert (head["layout"]["name"], head["fps"], head["image_size"]) == ("coco17", 30.0, [WIDE, HIGH])
    assert [it["frame"] for it in frames] == [t for t in range(40) if t % 3]
    assert frames[0]["people"][0]["keypoint"][0] == pytest.approx([33, 52], abs=0.1)


def test_a_picture_that_comes_meanwhile_takes_the_place_of_the_one_before():
    def coming():
        for t in range(50):
            yield Picture(t / 100, np.zeros((1, 1, 3), np.uint8))
            time.sleep(0.002)

    taken = []
    with camera.latest(coming()) as pictures:
        for picture in pictures:
            taken.append(round(picture.time * 100))
            time.sleep(0.02)
    assert taken[-1] == 49, "the last one is not left out"
    assert taken == sorted(set(taken))
    assert len(taken) < 40


def test_a_source_that_breaks_off_says_so_where_its_pictures_are_taken():
    def coming():
        yield Picture(0.0, np.zeros((1, 1, 3), np.uint8))
        raise OSError("the cable is out")

    with camera.latest(coming()) as pictures:
        next(pictures)
        with pytest.raises(OSError, match="the cable is out"):
            next(pictures)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["97"], "camera 97 gives no pictures: No such file or directory; cameras here: "),
        (["rtsp://127.0.0.1:1/a"], "rtsp://127.0.0.1:1/a gives no pictures: Connection refused"),
        (["walk.mp4", "--units", "m"], "--units is for files of joints; walk.mp4 holds pictures"),
        (["walk.mp4", "--listen"], "--listen is for a source such as tcp://"),
        (["empty.mp4"], "empty.mp4: 12 frames without anybody, so there is no answer"),
    ],
)
def test_what_is_not_possible_is_one_line(here, capsys, words, message):
    code, lines, err = run(capsys, *words)
    assert message in err
    assert len(err.splitlines()) == 1
    assert code == (0 if words == ["empty.mp4"] else 2)
    assert not lines
