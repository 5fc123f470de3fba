"""Who is followed, with networks under test: people are bright pixels at their hips, and the detector may be blind."""

from itertools import pairwise
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.data.pose import blazepose
from kinegraph.data.pose.blazepose import BESIDE, JOINTS, MOST_SQUARES, RARELY, TENTATIVE, People, Square, squares_of
from kinegraph.skeleton.layout import load_layout

WIDE, HIGH, TALL = 320, 180, 80  # pixels; TALL: of a square around a person
JOINT = load_layout("blazepose33").joints.index
DOWN = {"shoulder": -20, "hip": 0, "knee": 15, "ankle": 30}


def picture(*people: tuple[int, int]) -> np.ndarray:
    image = np.zeros((HIGH, WIDE, 3), np.uint8)
    for x, y in people:
        image[y, x] = 255
    return image


def places(image: np.ndarray) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for y, x in np.argwhere(image[..., 0])]


def locate(image: np.ndarray, square: Square):
    """The nearest person in the middle of the square, upright."""
    apart = {(x, y): np.hypot(x - square.x, y - square.y) for x, y in places(image)}
    if not apart or min(apart.values()) > 0.3 * square.side:
        return None
    x, y = min(apart, key=apart.get)
    landmarks = np.zeros((JOINTS, 6), np.float32)
    landmarks[:, :3] = x, y - 25, 1
    for part, down in DOWN.items():
        for side, across in (("left", 5), ("right", -5)):
            landmarks[JOINT(f"{side}_{part}"), :2] = x + across, y + down
    return landmarks, Square(x, y, TALL)


def hips(people: np.ndarray) -> list[tuple[int, int]]:
    middles = people[:, [JOINT("left_hip"), JOINT("right_hip")], :2].mean(1).round().astype(int)
    return sorted((x, y) for x, y in middles.tolist())


class Detector:
    """Sees every person once in each part of the picture, a little beside; blind: nobody."""

    blind = False

    def __call__(self, image: np.ndarray) -> list[Square]:
        return [] if self.blind else [Square(x + 3, y - 2, 1.2 * TALL, 0.1) for x, y in places(image)]


@pytest.fixture
def detector():
    return Detector()


def test_everybody_of_the_first_picture_is_seen_once(detector):
    see = People(detector, locate)
    both = (100, 90), (200, 90)
    assert hips(see(picture(*both))) == [*both]
    detector.blind = True
    assert hips(see(picture((103, 90), (196, 90)))) == [(103, 90), (196, 90)], "followed without being detected"


def test_somebody_new_is_believed_after_some_frames(detector):
    see = People(detector, locate)
    see(picture((60, 90)))
    counts = [len(see(picture((60, 90), (200, 90)))) for _ in range(TENTATIVE + 4)]
    came = counts.index(2)
    assert TENTATIVE - 1 <= came <= TENTATIVE + 2  # the parts of the picture take turns
    assert counts == [1] * came + [2] * (len(counts) - came)


def test_what_is_seen_for_a_moment_is_nobody(detector):
    see = People(detector, locate)
    see(picture((60, 90)))
    for t in range(30):
        people = ((60, 90), (200, 90)) if 5 <= t < 5 + TENTATIVE - 1 else ((60, 90),)
        assert hips(see(picture(*people))) == [(60, 90)]


@pytest.mark.parametrize("moved", [share * TALL for share in BESIDE])
def test_somebody_lost_is_looked_for_beside_without_the_detector(detector, moved):
    see = People(detector, locate)
    for _ in range(TENTATIVE):
        see(picture((160, 90)))
    detector.blind = True
    for _ in range(20):
        assert not len(see(picture()))
    back = (round(160 + moved), 90)
    seen = [hips(see(picture(back))) for _ in BESIDE]
    assert [back] in seen
    assert seen[-1] == [back]


def test_people_who_embrace_stay_two(detector):
    """Their hips come as near as half a trunk."""
    see = People(detector, locate)
    for x in range(100, 161):
        assert hips(see(picture((x, 90), (170, 90)))) == [(x, 90), (170, 90)]


@pytest.mark.parametrize("again", [(106, 90), (100, 110)])
def test_somebody_new_on_the_body_of_another_is_the_same(detector, again):
    assert hips(People(detector, locate)(picture((100, 90), again))) == [(100, 90)]


def test_small_people_are_looked_for_where_nobody_is(detector):
    """They are seen in parts of the picture that are small enough."""
    see = People(lambda image: detector(image) if len(image) < HIGH else [], locate)
    counts = [len(see(picture((200, 90)))) for _ in range(RARELY + TENTATIVE)]
    assert counts[-1] == 1
    assert not counts[0]


@given(st.integers(16, 4000), st.integers(16, 4000))
def test_squares_cover_the_picture(width, height):
    whole, *squares = squares_of(width, height)
    assert whole == (0, 0, width, height)
    assert all(x >= 0 and x + w <= width and y >= 0 and y + h <= height for x, y, w, h in squares)
    if len(squares) < MOST_SQUARES:
        ends = sorted((max(x, y), max(x, y) + w) for x, y, w, _ in squares)
        assert ends[0][0] == 0
        assert ends[-1][1] == max(width, height)
        assert all(later <= end for (_, end), (later, _) in pairwise(ends))


@pytest.mark.parametrize("size", [(426, 240), (1920, 1080), (3840, 2160), (2160, 3840)])
def test_a_large_picture_has_no_more_parts(size):
    assert len(squares_of(*size)) == 4


def test_graphs_are_made_once_a_thread_and_again_after_an_error(monkeypatch):
    """MediaPipe keeps the memory of a graph for long: a pair for each video of a folder would fill the computer."""
    made = []

    class Graph:
        def __init__(self, *given):
            made.append(given)

        def process(self, given):
            if given == "broken":
                raise RuntimeError(given)
            return given

    monkeypatch.setattr(blazepose, "_graph", Graph)
    kept = blazepose._Kept()
    assert [kept.process(which, given) for which, given in [(0, "a"), (1, "b"), (0, "c")]] == ["a", "b", "c"]
    assert len(made) == 2  # one detects, one locates
    thread = Thread(target=kept.process, args=(0, "d"))
    thread.start()
    thread.join()
    assert len(made) == 4  # a graph is not for two threads at once
    with pytest.raises(RuntimeError, match="broken"):
        kept.process(1, "broken")
    assert kept.process(0, "e") == "e"
    assert len(made) == 6
