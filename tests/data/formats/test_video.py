"""Videos made here: people are bright squares, and the estimator under test is one that sees bright squares."""

import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.pose import estimators, sightings
from kinegraph.data.read import read, recordings

av = pytest.importorskip("av")

WIDE, HIGH, SIDE = 160, 120, 16
FPS = 30
COLOURS = ((255, 0, 0), (0, 0, 255))


def film(path: Path, places: list[list[tuple[float, float]]], stamps: list[int] | None = None) -> Path:
    """A video in which person p is a square of colour p around places[frame][p]. stamps: of the frames, in 1/30 s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        lossless = {"crf": "0", "preset": "ultrafast", "bf": "0"}
        codec, colours = ("gif", "rgb8") if path.suffix == ".gif" else ("libx264", "yuv444p")
        stream = file.add_stream(codec, rate=FPS, options=lossless if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = WIDE, HIGH, colours
        stream.codec_context.time_base = Fraction(1, FPS)
        for t, people in enumerate(places):
            image = np.zeros((HIGH, WIDE, 3), np.uint8)
            for colour, (x, y) in zip(COLOURS, people, strict=False):
                half = SIDE // 2
                image[round(y) - half : round(y) + half, round(x) - half : round(x) + half] = colour
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = stamps[t] if stamps else t, Fraction(1, FPS)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


class Squares:
    """Sees red and blue squares, in another order in every second frame; 17 joints along a falling diagonal."""

    layout = "coco17"

    def __init__(self):
        self.calls = 0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        self.calls += 1
        found = []
        for channel in (0, 2)[:: 1 - 2 * (self.calls % 2)]:
            y, x = np.nonzero(image[..., channel] > 128)
            if len(x):
                corners = np.array([[x.min(), y.min()], [x.max() + 1, y.max() + 1]])
                way = np.linspace(0, 1, 17)[:, None]
                found.append(np.column_stack([corners[0] * (1 - way) + corners[1] * way, np.full(17, 0.9)]))
        return np.array(found)


def middles(clip) -> np.ndarray:
    return clip.keypoint[:, :, 8]


def test_the_places_of_a_person_are_pixels_and_its_times_the_videos(tmp_path):
    places = [[(40.0 + 2 * t, 60.0 - t)] for t in range(20)]
    (clip,) = read(film(tmp_path / "walk.mp4", places), pose=Squares())
    assert (clip.name, clip.fps, clip.image_size, clip.layout.name) == ("walk", 30.0, (WIDE, HIGH), "coco17")
    np.testing.assert_allclose(middles(clip)[0], np.array(places)[:, 0], atol=0.01)
    assert (clip.score == np.float32(0.9)).all()


def test_an_animated_gif_is_a_video(tmp_path):
    (clip,) = read(film(tmp_path / "wave.gif", [[(20 + t, 60)] for t in range(12)]), pose=Squares(), cache="off")
    np.testing.assert_allclose(middles(clip)[0, :, 0], 20 + np.arange(12), atol=0.5)


def test_two_people_whose_order_changes_stay_who_they_are(tmp_path):
    places = [[(40.0 + t, 40.0), (110.0 - t, 70.0)] for t in range(40)]  # they pass each other
    (clip,) = read(film(tmp_path / "pass.mp4", places), pose=Squares())
    first = 0 if clip.keypoint[0, 0, 8, 0] < 80 else 1
    np.testing.assert_allclose(middles(clip)[[first, 1 - first]].swapaxes(0, 1), places, atol=0.01)


@pytest.mark.parametrize(("turn", "size"), [(90, (HIGH, WIDE)), (180, (WIDE, HIGH)), (270, (HIGH, WIDE))])
def test_the_picture_stands_as_the_camera_was_held(tmp_path, turn, size):
    path = turned(film(tmp_path / "held.mp4", [[(40.0, 30.0)]] * 12), turn)
    (clip,) = read(path, pose=Squares())
    # clockwise by a quarter: what was left is up, what was up is right
    expected = {90: (HIGH - 30, 40), 180: (WIDE - 40, HIGH - 30), 270: (30, WIDE - 40)}[turn]
    assert clip.image_size == size
    np.testing.assert_allclose(middles(clip)[0], [expected] * 12, atol=0.01)


def turned(path: Path, clockwise: int) -> Path:
    """The .mp4 with another matrix in the head of its track (ISO 14496-12, tkhd): how the picture is to be turned."""
    content = bytearray(path.read_bytes())
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise]
    matrix = [cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30]
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(content)
    return path


def test_uneven_times_become_a_constant_frame_rate(tmp_path):
    stamps = [0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 16, 17]  # 1/30 s
    path = film(tmp_path / "uneven.mkv", [[(30.0 + 4 * t, 60.0)] for t in stamps], stamps)
    found = recordings(path, pose=Squares())
    (clip,) = found.clips
    assert clip.fps == pytest.approx(30, abs=0.4)  # Matroska counts milliseconds
    assert clip.frames == 18
    np.testing.assert_allclose(middles(clip)[0, :, 0], 30 + 4 * np.arange(18), atol=1)
    assert found.changed() == [
        "1 video with a variable frame rate: uneven; brought to a constant one, 5 frames more",
        "people are small, 16 pixels high, in 1 video (uneven); landmarks are sure from about 60 pixels: film "
        "from nearer, or cut the picture",
    ]


def test_sub_folders_are_classes_and_a_labels_file_comes_first(tmp_path):
    still = [[(40.0, 40.0)]] * 12
    for name in ("wave/01.mp4", "wave/02.avi", "bow/01.mov"):
        film(tmp_path / "in" / name, still)
    found = recordings(tmp_path / "in", pose=Squares())
    assert found.format == "video"
    assert [(it.name, found.class_names[it.label], it.attributes["video"]) for it in found.clips] == [
        ("bow/01", "bow", "bow/01.mov"),
        ("wave/01", "wave", "wave/01.mp4"),
        ("wave/02", "wave", "wave/02.avi"),
    ]
    (tmp_path / "labels.csv").write_text("clip,label,subject\nwave/01.mp4,greet,3\nbow/01.mov,bow,4\n")
    pose = Squares()
    found = recordings(tmp_path / "in", pose=pose, labels_file=tmp_path / "labels.csv")
    clips = {it.name: (found.class_names[it.label], it.attributes["subject"]) for it in found.clips}
    assert clips == {"wave/01": ("greet", 3), "bow/01": ("bow", 4)}
    assert pose.calls == 24, "a video that is not listed is not looked at"


def test_what_was_seen_is_kept_for_the_next_time(tmp_path, monkeypatch):
    pose = Squares()
    made = estimators.Estimator("squares", "squares-1", estimators.load_layout("coco17"), lambda: pose)
    monkeypatch.setattr("kinegraph.data.formats.video.estimator", lambda *_: made)
    path, cache = film(tmp_path / "a.mp4", [[(40.0, 40.0)]] * 12), tmp_path / "cache"
    (first,) = read(path, cache=cache)
    (again,) = read(path.rename(tmp_path / "b.mp4"), cache=cache)
    assert pose.calls == 12
    np.testing.assert_array_equal(first.keypoint, again.keypoint)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    (again,) = read(tmp_path / "b.mp4", cache=cache)
    assert pose.calls == 24
    np.testing.assert_array_equal(first.keypoint, again.keypoint)
    film(tmp_path / "b.mp4", [[(41.0, 40.0)]] * 12)
    assert next(read(tmp_path / "b.mp4", cache=cache)).keypoint[0, 0, 8, 0] == 41
    list(read(tmp_path / "b.mp4", cache="off"))
    assert pose.calls == 48
    assert len(list(cache.iterdir())) == 2


def test_a_video_without_people_is_left_out(tmp_path):
    film(tmp_path / "in" / "empty.mp4", [[]] * 12)
    film(tmp_path / "in" / "walk.mp4", [[(40.0, 40.0)]] * 12)
    found = recordings(tmp_path / "in", pose=Squares())
    assert [it.name for it in found.clips] == ["walk"]
    assert found.skipped() == ["1 without any person that is seen (small people: film from nearer, or cut): empty"]


def test_whoever_is_seen_for_a_moment_is_nobody(tmp_path):
    places = [[(40.0, 40.0), (110.0, 70.0)] if t in (5, 6) else [(40.0, 40.0)] for t in range(30)]
    found = recordings(film(tmp_path / "a.mp4", places), pose=Squares())
    assert next(found.clips).people == 1
    assert any("seen for less than 0.3 s left out, 1 in 1 video: a" in line for line in found.changed())
    film(tmp_path / "a.mp4", [people[1:] for people in places])
    with pytest.raises(ValueError, match="1 without any person that is seen"):
        list(recordings(tmp_path / "a.mp4", pose=Squares()).clips)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"what is this", "is no video that PyAV reads (Invalid data found when processing input)"),
        (b"", "is an empty file"),
    ],
)
def test_a_file_that_is_no_video(tmp_path, content, message):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mp4") as error:
        list(read(path, pose=Squares()))
    assert message in str(error.value)


def test_a_list_of_other_files_is_no_video(tmp_path):
    film(tmp_path / "a.ts", [[(40.0, 40.0)]] * 12)
    (tmp_path / "all.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(ValueError, match=r"all\.m3u8 is a list of other files \(hls\), expected a video"):
        list(read(tmp_path / "all.m3u8", "video", pose=Squares()))


def test_a_video_that_breaks_off_is_no_clip(tmp_path):
    path = film(tmp_path / "a.mkv", [[(40.0, 40.0)]] * 90)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"a\.mkv breaks off after .* of 3.0 s"):
        list(read(path, pose=Squares()))


def test_videos_beside_files_that_were_made_of_them_are_not_meant(tmp_path):
    from tests.data.formats.test_deeplabcut import TWO

    film(tmp_path / "mice.mp4", [[(40.0, 40.0)]] * 3)
    assert recognise(tmp_path)[0].NAME == "video"
    (tmp_path / "mice.csv").write_text(TWO)
    assert recognise(tmp_path)[0].NAME == "deeplabcut"


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        ("mediapip", "--pose 'mediapip' is not known, expected mediapipe, rtmlib"),
        (lambda image: np.zeros((1, 17, 3)), "give a layout, such as layout='coco17'"),
    ],
)
def test_an_estimator_that_is_not_known(tmp_path, pose, message):
    with pytest.raises(ValueError) as error:
        list(read(film(tmp_path / "a.mp4", [[]]), pose=pose))
    assert message in str(error.value)


def test_an_estimator_of_another_shape(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"a.mp4: frame 1: the estimator <lambda> failed: it gave shape \(1, 4, 2\), expected \(people, 17, 3\)",
    ):
        list(read(film(tmp_path / "a.mp4", [[]]), pose=lambda image: np.ones((1, 4, 2)), layout="coco17"))


def test_without_the_estimators_library_a_line_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(ValueError, match=r'MediaPipe is not installed: pip install "kinegraph\[pose\]"'):
        list(read(film(tmp_path / "a.mp4", [[]])))


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("KINEGRAPH_CACHE", "/elsewhere")
    assert sightings.usual_cache() == Path("/elsewhere/poses")


def test_rtmlib_is_called_as_its_pages_say(tmp_path, monkeypatch):
    """`keypoints, scores = Body(mode=, backend=, device=)(image of OpenCV)`: (P, 17, 2) and (P, 17)."""

    class Body:
        def __init__(self, mode, backend, device):
            self.see = Squares()

        def __call__(self, image):
            people = self.see(image[..., ::-1])
            return (people[..., :2], people[..., 2]) if len(people) else (np.zeros((0, 17, 2)), np.zeros((0, 17)))

    monkeypatch.setitem(sys.modules, "rtmlib", SimpleNamespace(Body=Body))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.13")
    places = [[], *([(40.0 + t, 40.0)] for t in range(12))]
    (clip,) = read(film(tmp_path / "a.mp4", places), pose="rtmlib", cache=tmp_path / "cache")
    np.testing.assert_allclose(middles(clip)[0, 1:], [people[0] for people in places[1:]], atol=0.01)


def test_models_that_cannot_be_fetched_are_said_once_with_the_way(tmp_path, monkeypatch):
    tries = []

    def body(**settings):
        tries.append(settings)
        raise URLError("Name or service not known")

    monkeypatch.setitem(sys.modules, "rtmlib", SimpleNamespace(Body=body))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.16")
    for name in ("clips/a.mp4", "clips/b.mp4"):
        (tmp_path / "clips").mkdir(exist_ok=True)
        film(tmp_path / name, [[(40.0, 40.0)]])
    for skip in (False, True):
        with pytest.raises(ValueError, match=r"^\S+clips: rtmlib .*not known>; copy ~/\.cache/rtmlib from a computer"):
            list(read(tmp_path / "clips", pose="rtmlib", cache=tmp_path / "cache", skip_broken=skip))
    assert len(tries) == 2
