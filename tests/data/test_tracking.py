"""Who is who: known scenes, and what must hold of all of them."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.tracking import CROWD, LONGEST_GAP, follow_rows, gathered, least_sum, track
from tests.golden import golden


def body(x: float, y: float = 0.5, size: float = 0.4) -> np.ndarray:
    """Six joints in a box of that height."""
    pose = np.full((6, 2), (x, y), np.float32)
    pose[:, 1] += np.linspace(-size / 2, size / 2, 6)
    return pose


def paths(frames: list[np.ndarray], people: int | None = None) -> list[list[float | None]]:
    """x of each body in each frame, None where it is not there."""
    found = gathered(frames, track(frames, people=people))[:, :, 0, 0]
    return [[round(float(x), 3) or None for x in row] for row in found]


def test_two_people_who_cross_keep_their_ways():
    """Whoever is nearest would be wrong when they meet: both walk on as they walked before."""
    right, left = (np.linspace(*ends, 21) for ends in ((0.1, 0.9), (0.92, 0.12)))
    frames = [np.stack([body(a), body(b)][:: (-1) ** t]) for t, (a, b) in enumerate(zip(right, left, strict=True))]
    ways = {tuple(way) for way in paths(frames)}
    assert ways == {tuple(np.round(right, 3).tolist()), tuple(np.round(left, 3).tolist())}


@pytest.mark.parametrize(("gap", "same"), [(LONGEST_GAP - 1, True), (LONGEST_GAP, False)])
def test_one_who_comes_back_in_time_is_the_same(gap, same):
    """While somebody stays, and another one comes."""
    stays, comes, other = body(0.9), body(0.2), body(0.5)
    before, meanwhile, after = np.stack([stays, comes]), np.stack([other, stays]), np.stack([comes, other, stays])
    ways = paths([before] * 3 + [meanwhile] * gap + [after] * 3)
    assert ([0.2] * 3 + [None] * gap + [0.2] * 3 in ways) == same


def test_a_frame_that_only_a_third_person_is_in_is_not_left_empty():
    """Three people for two bodies; the third is there together with both once, and then alone."""
    both, third = np.stack([body(0.2), body(0.8)]), body(0.5)[None]
    frames = [both] * 11 + [np.concatenate([both, third])] + [third] * 8
    tracks = track(frames, people=2)
    assert (tracks.rows >= 0).any(0).all()
    assert tracks.left_out == 1
    assert track(frames).left_out == 0
    assert len(track(frames).rows) == 3


def test_a_short_pause_of_a_body_is_not_filled_with_somebody_else():
    best, second, third = body(0.1), body(0.5), body(0.9)
    frames = [np.stack([best, second, third]) for _ in range(40)]
    frames[20] = np.stack([second, third])
    weights = [np.array([0.9, 0.8, 0.5])[-len(poses) :] for poses in frames]
    tracks = track(frames, weights, people=2)
    assert tracks.rows[0].tolist() == [0] * 20 + [-1] + [0] * 19
    assert tracks.left_out == 40


def test_a_body_of_which_little_is_seen_stays_the_same_person():
    """Only the head for a while, then only a foot: no joint in common. Another one comes meanwhile."""
    frames = [np.stack([body(0.2), body(0.8), body(0.5)][: 2 + (t > 3)]) for t in range(9)]
    frames[3][0, 2:], frames[4][0, 2:] = 0, 0
    frames[4][0, :2] += 0.06  # near for a body, far for a head
    frames[5][0, :-1] = 0
    assert [0, 0, 0, 0, 0, 0, 0, 0, 0] in track(frames).rows.tolist()


def test_a_crowd_is_cut_and_counted():
    frames = [np.stack([body(i) for i in range(CROWD + 7)])] * 2
    assert track(frames).left_out == 14


def test_ids_are_believed_and_everybody_is_a_body_of_his_or_her_own():
    """Though they jump across the picture, and one leaves before the other comes."""
    frames = [body(x)[None] for x in (0.1, 0.9, 0.1)] + [np.stack([body(0.5), body(0.7)])]
    tracks = track(frames, ids=[["a"], ["a"], ["a"], ["b", "b"]])
    assert tracks.rows.tolist() == [[0, 0, 0, -1], [-1, -1, -1, 0], [-1, -1, -1, 1]]
    assert track(frames, people=1, ids=[["a"], ["a"], ["a"], ["b", "b"]]).left_out == 1


@st.composite
def scenes(draw):
    """Frames of people who move, come and go, and weights of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people, length = draw(st.integers(1, 5)), draw(st.integers(1, 25))
    start, speed = rng.uniform(0.1, 1, (people, 1, 2)), rng.normal(0, 0.02, (people, 1, 2))
    place = start + speed * np.arange(length)[:, None] + rng.normal(0, 0.01, (people, length, 2))
    poses = np.stack([[body(*at) for at in way] for way in place])
    poses[rng.random((people, length, 6)) < 0.2] = 0
    there = rng.random((people, length)) < draw(st.sampled_from([0.5, 0.9, 1.0]))
    frames = [poses[there[:, t], t] for t in range(length)]
    return rng, frames, [rng.choice([0.2, 0.5, 0.9], len(one)) for one in frames]


@given(scenes(), st.sampled_from([None, 1, 2, 9]))
@settings(max_examples=60)
def test_the_order_of_a_frames_detections_changes_nothing(scene, people):
    rng, frames, weights = scene
    orders = [rng.permutation(len(one)) for one in frames]
    shuffled = [one[order] for one, order in zip(frames, orders, strict=True)]
    tracks = track(frames, weights, people)
    others = track(shuffled, [w[order] for w, order in zip(weights, orders, strict=True)], people)
    np.testing.assert_array_equal(gathered(frames, tracks), gathered(shuffled, others))
    assert tracks.left_out == others.left_out


@given(scenes(), st.sampled_from([None, 1, 2]))
@settings(max_examples=60)
def test_nobody_is_lost_where_there_is_room_and_nobody_is_there_twice(scene, people):
    _, frames, weights = scene
    tracks = track(frames, weights, people)
    seen = [int(one.any((1, 2)).sum()) for one in frames]
    assert (tracks.rows >= 0).sum() + tracks.left_out == sum(seen)
    assert people is not None or tracks.left_out == 0
    for row, poses, there in zip(tracks.rows.T, frames, seen, strict=True):
        kept = row[row >= 0]
        assert len({*kept.tolist()}) == len(kept)
        assert poses[kept].any((1, 2)).all()
        assert (len(kept) > 0) == (there > 0)


# ---- arrays whose rows are people ------------------------------------------------------------------------------------


def test_people_who_change_rows_are_followed():
    keypoint = np.stack([[body(x + 0.01 * t) for t in range(30)] for x in (0.2, 0.5, 0.8)])
    mixed = keypoint.copy()
    mixed[:, 10:14] = keypoint[[1, 0, 2], 10:14]
    mixed[:, 14:20] = keypoint[[2, 0, 1], 14:20]
    tracks = follow_rows(mixed)
    np.testing.assert_array_equal(gathered(list(mixed.swapaxes(0, 1)), tracks), keypoint)
    assert (tracks.changed, tracks.left_out) == (10, 0)


def test_one_who_goes_on_in_another_row_is_followed():
    keypoint = np.zeros((2, 20, 6, 2), np.float32)
    keypoint[0, :10], keypoint[1, 10:] = body(0.3), body(0.3)
    assert follow_rows(keypoint).rows.tolist() == [[0] * 10 + [1] * 10, [-1] * 20]


@given(scenes())
@settings(max_examples=60)
def test_rows_lose_nobody(scene):
    _, frames, _ = scene
    keypoint = np.zeros((5, len(frames), 6, 2), np.float32)
    for t, poses in enumerate(frames):
        keypoint[: len(poses), t] = poses
    tracks = follow_rows(keypoint)
    found = gathered(list(keypoint.swapaxes(0, 1)), tracks)
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(keypoint, axis=0))


@pytest.mark.parametrize("apart", [0.02, 0.2, 0.6])
def test_consistent_rows_stay_as_they_are(apart):
    """Also of people who dance closely, jitter by a tenth of their size and are hidden now and then."""
    rng = np.random.default_rng(0)
    way = np.cumsum(rng.normal(0, 0.01, (2, 200, 1, 2)), axis=1) + np.array([0, apart]).reshape(2, 1, 1, 1)
    keypoint = (np.stack([[body(0.5)] * 200] * 2) + way + rng.normal(0, 0.01, (2, 200, 6, 2))).astype(np.float32)
    keypoint[rng.random((2, 200)) < 0.1] = 0
    tracks = follow_rows(keypoint)
    assert tracks.changed == 0
    np.testing.assert_array_equal(gathered(list(keypoint.swapaxes(0, 1)), tracks), keypoint)


def test_the_rows_of_published_recordings_stay():
    """Two people of NTU RGB+D as PYSKL's pickles have them."""
    published = golden("ntu.npz")
    clips = [published[name] for name in published if name.startswith("tracked/") and len(published[name]) == 2]
    assert len(clips) == 5
    assert [follow_rows(keypoint).changed for keypoint in clips] == [0] * 5


# ---- the pairs of a frame --------------------------------------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_the_pairs_have_the_least_sum(rows, columns, seed):
    cost = np.random.default_rng(seed).integers(0, 14, (rows, columns)) / 10
    alone = np.concatenate([cost, np.ones((rows, rows))], axis=1)
    least = min(sum(alone[i, j] for i, j in enumerate(way)) for way in permutations(range(columns + rows), rows))
    pairs = least_sum(cost)
    assert len({j for _, j in pairs}) == len(pairs)
    assert sum(cost[i, j] for i, j in pairs) + rows - len(pairs) == pytest.approx(least)
