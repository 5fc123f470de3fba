"""Film strips and videos: sizes, times and people in them, and nothing left behind when something goes wrong."""

import io
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from kinegraph.report import video
from kinegraph.report.colours import DARK, LIGHT, RIGHT
from kinegraph.report.film_strip import film_strip, film_strip_png, film_strip_vectors
from kinegraph.report.scene import Answers, Scene
from tests.report import moving

ANSWERS = Answers(["stand", "lift"], [0, 20, 40], [[0.9, 0.1], [0.2, 0.8]])


def near(picture: np.ndarray, colour: str, away: int = 60) -> np.ndarray:
    """Where a colour is, or one near it: depth and thin lines pale it."""
    return np.abs(picture.astype(int) - np.rint(255 * np.array(to_rgb(colour)))).sum(axis=-1) < away


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("clip", [moving.clip(people=2), moving.flat_clip()], ids=["3d", "2d"])
def test_a_film_strip_has_people_in_their_colours_on_its_ground(clip, theme):
    picture = film_strip(Scene(clip, answers=ANSWERS), count=4, theme=theme, scale=1)
    for person in range(2):
        assert near(picture, theme.people[person][RIGHT], 60 if clip.image_size else 150).sum() > 100
    assert near(picture, theme.ground, 3).mean() > 0.6
    assert near(picture, theme.classes[0], 3).sum() > 100  # the ribbon


def test_a_film_strip_grows_with_its_frames_and_its_scale():
    scene = Scene(moving.clip())
    one, four, fine = (film_strip(scene, *how).shape for how in ((1, LIGHT, 1), (4, LIGHT, 1), (4, LIGHT, 2)))
    assert four[1] > one[1]
    assert (four[0], 2 * four[0], 2 * four[1]) == (one[0], *fine[:2])
    assert film_strip_png(scene) == film_strip_png(scene)
    assert Image.open(io.BytesIO(film_strip_png(scene, 2))).format == "PNG"


def test_importance_and_confidence_are_seen():
    clip = moving.clip()
    importance = np.zeros(clip.keypoint.shape[:3])
    plain = film_strip(Scene(clip, importance=importance), 1, scale=1)
    importance[..., clip.layout.joints.index("left_wrist")] = 1
    strong = film_strip(Scene(clip, importance=importance), 1, scale=1)
    hot = LIGHT.heat[-1]
    assert near(strong[62:], hot).sum() > near(plain[62:], hot).sum() + 50
    sure = moving.clip(score=np.ones(clip.keypoint.shape[:3], np.float32))
    unsure = moving.clip(score=np.full(clip.keypoint.shape[:3], 0.2, np.float32))
    dark = [film_strip(Scene(one), 1, scale=1)[62:].astype(int).sum() for one in (sure, unsure)]
    assert dark[1] > dark[0]


def test_a_video_has_every_frame_and_every_player_shows_it(tmp_path):
    av = pytest.importorskip("av")
    scene, drawn = Scene(moving.clip(frames=12, fps=25.0), answers=Answers(["a", "b"], [0, 12], [[0.7, 0.3]])), []
    video.write_mp4(tmp_path / "v.mp4", scene, width=321, height=241, speed=0.5, done=drawn.append)
    with av.open(str(tmp_path / "v.mp4")) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 322, 242)
        assert float(stream.average_rate) == pytest.approx(12.5)
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(stream)]
    assert len(frames) == 12
    assert drawn == list(range(1, 13))
    assert np.abs(frames[0] - frames[-1]).max() > 100  # the hand is up, the bar is full
    assert near(frames[0], LIGHT.people[0][RIGHT], 100).sum() > 50
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


def test_a_gif_repeats_at_a_rate_that_browsers_keep(tmp_path):
    video.write_gif(tmp_path / "v.gif", Scene(moving.clip(frames=24, fps=60.0)), width=200, height=200)
    image = Image.open(tmp_path / "v.gif")
    assert image.n_frames == 8
    assert (image.info["duration"], image.info["loop"]) == (50, 0)
    first = np.asarray(image.convert("RGB")).astype(int)
    image.seek(7)
    assert np.abs(np.asarray(image.convert("RGB")).astype(int) - first).max() > 100


@pytest.mark.parametrize("write", [video.write_mp4, video.write_gif])
def test_an_error_on_the_way_leaves_nothing_and_spares_the_old(tmp_path, write):
    pytest.importorskip("av")

    def stop(frame):
        raise KeyboardInterrupt

    path = tmp_path / "v.bin"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write(path, Scene(moving.clip(frames=6)), width=160, height=160, done=stop)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("v.bin", "old")]


def test_without_pyav_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r'pip install "kinegraph\[draw\]"'):
        video.write_mp4(tmp_path / "v.mp4", Scene(moving.clip(frames=2)))


def test_a_film_strip_for_papers_keeps_its_letters_and_lines():
    scene = Scene(moving.clip(people=2), answers=ANSWERS, label="lift <i>")
    drawn = film_strip_vectors(scene, "svg", 4)
    words = "".join(ElementTree.fromstring(drawn).itertext())
    assert all(word in words for word in ("label: lift <i>", "frame 40", "left", "right"))
    assert b"<image" not in drawn
    assert b"<path" in drawn
    assert drawn == film_strip_vectors(scene, "svg", 4)  # no date, no chance
    printed = film_strip_vectors(scene, "pdf", 4)
    assert printed.startswith(b"%PDF-")
    assert b"/FontFile2" in printed  # TrueType, in the file
    assert printed == film_strip_vectors(scene, "pdf", 4)
