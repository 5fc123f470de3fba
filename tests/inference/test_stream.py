"""A stream answers as the network answers about the complete recording, or about the latest frames of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import kinegraph as kg
from kinegraph.data.formats.json_frame import Frame, Head, frame_line, head_line
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.events import Event, EventRule
from kinegraph.inference.streaming.live import Live
from kinegraph.inference.streaming.session import Session
from kinegraph.models.agcn import AGCN
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import Weights, save_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

NAMES = ("sit", "stand", "walk", "wave")
CAUSAL = {
    "none": {"normalize": "none", "people": 1},
    "published": {"normalize": "ntu_published", "sampling": "fill", "people": 2},
    "first frame": {"normalize": "first_frame", "people": 2, "streams": ("joint", "bone")},
    "first frame, not turned": {"normalize": "first_frame_centre", "people": 2, "streams": ("k_bone",)},
    "facing": {"normalize": "facing", "people": 3, "streams": ("bone", "joint_motion")},
    "pixels": {"normalize": "image", "people": 2, "layout": "coco17", "min_score": 0.1},
    "published pixels": {"normalize": "image_published", "people": 2, "layout": "coco17"},
}


def weights(how: Preprocessing, layout="ntu25", scored=False, kind=STGCN, extra=None, **options) -> Weights:
    """Untrained weights whose answers are far from even."""
    torch.manual_seed(3)
    skeleton = load_layout(layout)
    channels = how.channels(2 if layout == "coco17" else 3, scored)
    network = kind(adjacency(skeleton, "spatial"), channels, len(NAMES), **{"widths": (8, 16)} | options).eval()
    torch.nn.init.normal_(network.head.weight, 0.0, 3.0)
    return Weights(network, skeleton, NAMES, how.to_dict(), extra or {})


def recording(frames: int, people=1, layout="ntu25", seed=0) -> SkeletonClip:
    rng = np.random.default_rng(seed)
    flat = layout == "coco17"
    rest = np.stack([body(layout, 2 if flat else 3, seed=seed + i) + 3 * i for i in range(people)])[:, None]
    place = rest + rng.normal(0, 0.05, (people, frames, *rest.shape[2:])).cumsum(1) / 5
    score = rng.uniform(0, 1, place.shape[:3]).astype(np.float32) if flat else None
    place = (place * 200 + 500 if flat else place).astype(np.float32)
    return SkeletonClip(place, load_layout(layout), "r", score=score, image_size=(1920, 1080) if flat else None)


def written(folder: Path) -> Path:
    """Weights whose exact engine waits for 8 frames, and two.jsonl, a recording of two people."""
    known = weights(Preprocessing(people=1), strides=(1, 2))
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    save_weights(folder / "w.safetensors", known.model, **about, extra={"training": {"frames": [10, 20, 30]}})
    clip = recording(40, people=2)
    frames = [Frame(people, None, ("a", "b"), t) for t, people in enumerate(clip.keypoint.swapaxes(0, 1))]
    lines = [head_line(Head(clip.layout, 30.0)), *map(frame_line, frames)]
    (folder / "two.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def push_all(stream: kg.Stream, clip: SkeletonClip, ids=True) -> list:
    scores = [None] * clip.frames if clip.score is None else clip.score.swapaxes(0, 1)
    names = list(range(clip.people)) if ids else None
    return [stream.push(x, s, ids=names) for x, s in zip(clip.keypoint.swapaxes(0, 1), scores, strict=True)]


def of_recording(known: Weights, clip: SkeletonClip, person: int, frames: slice) -> np.ndarray:
    """What `kg.predict` says of one person, each frame once."""
    part = replace(
        clip,
        keypoint=clip.keypoint[person : person + 1, frames],
        score=None if clip.score is None else clip.score[person : person + 1, frames],
    )
    how = replace(Preprocessing.from_dict(known.preprocessing), sampling="pad", frames=part.frames)
    return kg.predict(known, part, preprocessing=how, compare=False).probabilities


@settings(max_examples=25)
@given(name=st.sampled_from(sorted(CAUSAL)), frames=st.integers(1, 40), people=st.integers(1, 3))
def test_the_exact_stream_answers_as_for_the_complete_recording(name, frames, people):
    how = dict(CAUSAL[name])
    layout = how.pop("layout", "ntu25")
    known = weights(Preprocessing(**how), layout, scored=layout == "coco17", strides=(1, 2))
    clip = recording(frames, people, layout, seed=frames)
    stream = kg.Stream(known, fps=30, people=3, window="start", image_size=clip.image_size, compare=False)
    assert stream.engine == "exact"
    push_all(stream, clip)
    answers = {answer.person: answer for answer in stream.finish()}
    assert answers.keys() == set(range(people))
    for person, answer in answers.items():
        expected = of_recording(known, clip, person, slice(None))
        np.testing.assert_allclose(answer.prediction.probabilities, expected, atol=2e-6)
        assert (answer.start, answer.stop) == (0, (frames - 1) // 2 * 2 + 1)


def test_before_the_end_the_answer_is_of_the_moments_that_are_complete():
    """With a window of one moment, the answer after a frame is the network's about a single moment, `delay` before."""
    known = weights(Preprocessing(people=1), strides=(1, 2))
    clip = recording(60)
    stream = kg.Stream(known, fps=30, window=2, compare=False)
    features = known.model.forward_features(torch.from_numpy(clip.keypoint)).mean(2)[0]  # (S, D)
    expected = known.model.head(features).double().softmax(1).detach().numpy()
    answers = push_all(stream, clip)
    assert stream.delay == 8
    assert not any(answers[: stream.delay])
    for frame, found in enumerate(answers[stream.delay :], stream.delay):
        moment = (frame - stream.delay) // 2
        assert [(it.start, it.stop, it.new) for it in found] == [(2 * moment, 2 * moment + 1, frame % 2 == 0)]
        np.testing.assert_allclose(found[0].prediction.probabilities, expected[moment], atol=2e-6)


@pytest.mark.parametrize("strides", [(1, 2), (2, 2)])
@pytest.mark.parametrize("frames", [1, 5, 9, 13, 14, 15])
def test_the_answer_about_a_window_is_that_about_a_clip_as_long(frames, strides):
    """Also where its last moment sees fewer frames than the others."""
    known, clip = weights(Preprocessing(people=1), strides=strides), recording(frames)
    stream = kg.Stream(known, fps=30, window=frames, compare=False)
    push_all(stream, clip)
    (answer,) = stream.finish()
    expected = of_recording(known, clip, 0, slice(None))
    np.testing.assert_allclose(answer.prediction.probabilities, expected, atol=2e-6)
    assert answer.start == 0


def test_what_is_none_of_the_classes_is_not_known():
    """As `kg.predict` says it of weights of `enroll` and `calibrate`."""
    clip = recording(20)
    for least, known in ((0.0, True), (1.0, False)):
        asked = weights(Preprocessing(people=1), extra={"least_probability": least})
        assert kg.predict(asked, clip, compare=False).known is known
        stream = kg.Stream(asked, fps=30, compare=False)
        push_all(stream, clip)
        assert [answer.prediction.known for answer in stream.finish()] == [known]


@pytest.mark.parametrize("window", [10, "start"])
def test_peek_is_the_answer_for_the_recording_so_far(window):
    known = weights(Preprocessing(people=2), strides=(2, 2))
    clip = recording(33)
    stream = kg.Stream(known, fps=30, window=window, compare=False)
    for frame in clip.keypoint[0]:
        stream.push(frame)
        (answer,) = stream.peek()
        so_far = slice(0, stream.frame + 1)
        if window == "start":
            expected = of_recording(known, clip, 0, so_far)
            np.testing.assert_allclose(answer.prediction.probabilities, expected, atol=2e-6)
    assert answer.stop == 33


def test_the_window_engine_answers_about_the_latest_frames():
    how = Preprocessing(people=2, normalize="sized", sampling="resample", frames=12, test_mirror=True)
    known, clip = weights(how, extra={"training": {"frames": [8, 20, 30]}}), recording(50, people=2)
    stream = kg.Stream(known, fps=30, people=2, stride=7, compare=False)
    assert (stream.engine, stream.lengths.window, stream.lengths.least) == ("window", 20, 8)
    assert "resample" in stream.reason
    for frame, found in enumerate(push_all(stream, clip)):
        last = frame // 7 * 7
        assert len(found) == (2 if last >= 7 else 0)
        for answer in found:
            assert (answer.start, answer.stop, answer.new) == (max(0, last - 19), last + 1, frame == last)
            part = replace(clip, keypoint=clip.keypoint[answer.person, None, answer.start : answer.stop])
            expected = kg.predict(known, part, compare=False).probabilities
            np.testing.assert_allclose(answer.prediction.probabilities, expected, atol=2e-6)


def test_people_come_and_go_and_each_is_as_if_alone():
    """Whoever begins at another frame has another phase; whoever is away for longer than the gap begins anew."""
    known, clip = weights(Preprocessing(people=1, normalize="first_frame"), strides=(2, 1)), recording(70, people=3)
    there = {0: range(0, 70), 1: range(3, 60), 2: [*range(10, 30), *range(45, 70)]}
    stream = kg.Stream(known, fps=30, people=3, gap=10, window="start", compare=False)
    for t, frame in enumerate(clip.keypoint.swapaxes(0, 1)):
        ids = [person for person in there if t in there[person]]
        answers = stream.push(frame[ids], ids=ids)
        away = {0: 0, 1: max(0, t - 59), 2: t - 29 if 30 <= t < 45 else 0}
        assert all(answer.lost == away[answer.person] <= 10 for answer in answers if not answer.last)
        assert stream.left == ({2: 30} if t == 40 else {})
        if t == 40:  # whoever leaves gets a last answer, also of the frames that the engine waited for
            assert answers[0].last
            expected = of_recording(known, clip, 2, slice(10, 30))
            np.testing.assert_allclose(answers[0].prediction.probabilities, expected, atol=2e-6)
    ends = {answer.person: answer for answer in stream.finish()}
    assert stream.left == {0: 70, 1: 60, 2: 70}
    for person, frames in {0: slice(0, 70), 1: slice(3, 60), 2: slice(45, 70)}.items():
        expected = of_recording(known, clip, person, frames)
        np.testing.assert_allclose(ends[person].prediction.probabilities, expected, atol=2e-6)


@pytest.mark.parametrize("engine", ["exact", "window"])
def test_a_short_visit_is_an_event_that_ends_with_the_last_frame_in_which_the_person_was_seen(engine):
    """The exact engine waits for 8 frames, the window engine answers in every 20th: neither has answered before."""
    known, clip = weights(Preprocessing(people=1), strides=(1, 2)), recording(8)
    live = Live(
        kg.Stream(known, fps=30, engine=engine, window=8, stride=20, gap=3, compare=False), EventRule(0, 0, 1, 0)
    )
    found = [live.push(frame) for frame in clip.keypoint.swapaxes(0, 1)]
    found += [live.push(None) for _ in range(4)]
    assert not any(found[:-1])
    (event,) = [said for said in found[-1] if isinstance(said, Event) and said.end is not None]
    assert event.end == 8
    assert live.finish() == []


def test_short_gaps_are_filled_linearly():
    known, clip = weights(Preprocessing(people=1)), recording(40)
    filled = clip.keypoint.copy()
    share = (np.arange(1, 6) / 6)[:, None, None]
    filled[0, 10:15] = filled[0, 9] + share * (filled[0, 15] - filled[0, 9])
    stream = kg.Stream(known, fps=30, window="start", compare=False)
    for t, frame in enumerate(clip.keypoint[0]):
        if t == 12:
            stream.push(None)
        elif t not in range(10, 15):
            stream.push(frame, frame=t)
    (answer,) = stream.finish()
    expected = of_recording(known, replace(clip, keypoint=filled), 0, slice(None))
    np.testing.assert_allclose(answer.prediction.probabilities, expected, atol=2e-6)


def test_without_ids_people_are_followed_by_their_places():
    known, clip = weights(Preprocessing(people=1)), recording(40, people=3)
    stream, rng = kg.Stream(known, fps=30, people=3, window="start", compare=False), np.random.default_rng(0)
    for frame in clip.keypoint.swapaxes(0, 1):
        stream.push(frame[rng.permutation(3)])
    found = [answer.prediction.probabilities for answer in stream.finish()]
    for person in range(3):
        expected = of_recording(known, clip, person, slice(None))
        assert min(np.abs(it - expected).max() for it in found) < 2e-6
    assert stream.left_out == 0


@pytest.mark.parametrize("first", [None, [1, 2]])
def test_ids_are_given_in_all_frames_or_in_none(first):
    """Else the number of somebody who is followed might be the id of another one. Once all are gone it may change."""
    known, clip = weights(Preprocessing(people=1)), recording(9, people=2)
    stream = kg.Stream(known, fps=30, people=2, gap=3, compare=False)
    stream.push(clip.keypoint[:, 0], ids=first)
    other = [1, 2] if first is None else None
    with pytest.raises(ValueError, match=r"frame 1 has .*the frames before have"):
        stream.push(clip.keypoint[:, 1], ids=other)
    assert stream.frame == 0
    for _ in range(5):
        stream.push(None)
    for frame in clip.keypoint.swapaxes(0, 1):
        stream.push(frame, ids=other)
    assert stream.known() == (1, 2)


def test_people_beyond_the_number_are_counted():
    known, clip = weights(Preprocessing(people=1)), recording(12, people=3)
    stream = kg.Stream(known, fps=30, people=2, window=4, compare=False)
    assert {answer.person for found in push_all(stream, clip) for answer in found} == {0, 1}
    assert stream.left_out == 12


@pytest.mark.parametrize("name", ["facing", "published", "window"])
def test_a_stream_goes_on_from_a_fork_and_from_a_file(name, tmp_path):
    how = Preprocessing(**CAUSAL[name]) if name in CAUSAL else Preprocessing(sampling="resample", frames=10)
    known, clip = weights(how, strides=(1, 2)), recording(50, people=2)

    def new():
        return kg.Stream(known, fps=30, people=2, window=20, compare=False)

    def rest(stream):
        found = [stream.push(frame) for frame in clip.keypoint[:, 23:].swapaxes(0, 1)]
        return [(it.person, it.frame, it.start, it.prediction.probabilities.tolist()) for them in found for it in them]

    stream = new()
    for frame in clip.keypoint[:, :23].swapaxes(0, 1):
        stream.push(frame)
    stream.save(tmp_path / "state")
    fork = stream.fork()
    expected = rest(stream)
    assert len(expected) > 20
    assert rest(fork) == expected
    other = new()
    other.restore(tmp_path / "state")
    assert rest(other) == expected

    different = kg.Stream(known, fps=30, people=2, window=21, compare=False)
    with pytest.raises(ValueError, match="other options"):
        different.restore(tmp_path / "state")


def test_in_bfloat16_answers_are_close_states_are_kept_and_the_difference_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # what is measured on this machine is kept there
    known, clip = weights(Preprocessing(people=1), strides=(2, 1)), recording(60)

    def new(precision: str) -> kg.Stream:
        return kg.Stream(known, fps=30, window=20, compare=False, precision=precision)

    exact, rough = new("32-true"), new("bf16-mixed")
    assert rough.engine == "exact"
    assert any("bf16-mixed" in note and "differ by" in note for note in rough.notes)
    for frame in clip.keypoint[0, :40]:
        expected, found = exact.push(frame), rough.push(frame)
    expected, found = (it[0].prediction.probabilities for it in (expected, found))
    assert 0 < np.abs(found - expected).max() < 0.05
    rough.save(tmp_path / "state")
    other = new("bf16-mixed")
    other.restore(tmp_path / "state")
    for frame in clip.keypoint[0, 40:]:
        expected, found = rough.push(frame), other.push(frame)
    assert np.array_equal(expected[0].prediction.probabilities, found[0].prediction.probabilities)
    with pytest.raises(ValueError, match="other options"):
        new("32-true").restore(tmp_path / "state")


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_state_is_refused_and_changes_nothing(damaged_states, data):
    stream, content, path = damaged_states
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    if data.draw(st.booleans()):
        changed = changed[:place]
    path.write_bytes(changed)
    before = dict(stream._someone), stream._frame
    try:
        stream.restore(path)
    except ValueError as error:
        said = str(error)
    else:
        stream.push(np.ones((25, 3)) + np.eye(25, 3), frame=2**51)  # what can be read can be used
        return
    assert str(path) in said
    assert (dict(stream._someone), stream._frame) == before


@pytest.fixture(scope="module")
def damaged_states(tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "state"
    stream = kg.Stream(weights(Preprocessing(people=1), widths=(4,)), fps=30, window=4, compare=False)
    push_all(stream, recording(9), ids=False)
    stream.save(path)
    return stream, path.read_bytes(), path


@pytest.mark.parametrize(
    "made", [torch.tensor, np.array, lambda ids: (it for it in ids), lambda ids: map(np.int64, ids)]
)
def test_ids_of_a_tracker_stay_the_same_people(tmp_path, made):
    clip = recording(8, people=2)
    stream = kg.Stream(weights(Preprocessing(people=1)), fps=30, people=2, window=4, compare=False)
    for frame in clip.keypoint.swapaxes(0, 1):
        stream.push(frame, ids=made([7, 3]))
    assert stream.known() == (7, 3)
    assert stream.left_out == 0
    stream.save(tmp_path / "state")  # plain numbers, whatever they came as


# ---- wrong input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "options", "reason"),
    [
        ({"sampling": "resample"}, {}, "sampling 'resample' chooses frames by the length of the complete clip"),
        ({"sampling": "uniform"}, {}, "sampling 'uniform' chooses frames by the length"),
        ({"sampling": "uniform_random_start"}, {}, "sampling 'uniform_random_start' chooses frames"),
        ({"moments": True}, {}, "moments counts frames from the beginning to the end"),
        ({"normalize": "sized"}, {}, "normalize 'sized' divides by the bone length of the complete clip"),
        ({"test_mirror": True}, {}, "test_mirror asks about each clip twice"),
        ({}, {"kind": AGCN}, "its graph compares the joints over all frames"),
    ],
)
def test_the_exact_engine_is_refused_with_the_reason(how, options, reason):
    known = weights(Preprocessing(**how), **options)
    with pytest.raises(ValueError, match=rf"not possible: .*{reason}.*; engine='window' takes every network"):
        kg.Stream(known, fps=30, engine="exact", window=10)
    assert reason in kg.Stream(known, fps=30, window=10).reason


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (np.ones((3, 24, 3)), {}, "has 24 joints, layout 'ntu25' has 25"),
        (np.ones((1, 1, 25, 3)), {}, r"keypoint of a frame has shape \(1, 1, 25, 3\), expected \(people, joints"),
        ("a", {}, "a str that holds no array of numbers"),
        (np.full((25, 3), np.nan), {}, "not finite"),
        (np.ones((25, 2)), {}, "xy without scores, the network wants"),
        (np.ones((2, 25, 3)), {"ids": [1, 1]}, "expected one for each of 2 people, all different"),
        (np.ones((2, 25, 3)), {"ids": [1]}, "expected one for each of 2 people"),
        (np.ones((25, 3)), {"ids": [float("nan")]}, "expected numbers or texts"),
        (np.ones((25, 3)), {"ids": 1}, "ids are 1, expected one for each person"),
        (np.ones((25, 3)), {"frame": 4}, "frame is 4, expected a number above 4"),
        (np.ones((25, 3)), {"frame": True}, "frame is True"),
        (recording(6).keypoint[0, 5] + 0.1, {}, None),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_and_changes_nothing(frame, options, message):
    known, clip = weights(Preprocessing(people=1)), recording(12)
    stream, other = (kg.Stream(known, fps=30, window=4, compare=False) for _ in range(2))
    for good in clip.keypoint[0, :5]:
        stream.push(good)
        other.push(good)
    if message is None:  # a frame that fits does change the answers: this test can fail
        stream.push(frame, **options)
        assert stream.peek()[0].prediction.probabilities.tolist() != other.peek()[0].prediction.probabilities.tolist()
        return
    with pytest.raises(ValueError, match=message):
        stream.push(frame, **options)
    for good in clip.keypoint[0, 5:]:
        stream.push(good)
        other.push(good)
    assert stream.peek()[0].prediction.probabilities.tolist() == other.peek()[0].prediction.probabilities.tolist()


def test_what_cannot_be_known_is_asked_for():
    how = Preprocessing(sampling="resample")
    with pytest.raises(ValueError, match="give window, frames or seconds"):
        kg.Stream(weights(how), fps=30)
    with pytest.raises(ValueError, match="window 'start' is for the exact engine"):
        kg.Stream(weights(how), fps=30, window="start")
    recorded = {"units": "m", "size": [0.9, 1.0, 1.2], "upward": {}, "fps": [30.0, 30.0, 30.0]}
    known = weights(Preprocessing(people=1), extra={"training": {"frames": [20, 60, 90], "recorded": recorded}})
    stream = kg.Stream(known, fps=15)
    assert stream.lengths.window == 30  # as long as training clips, in seconds
    assert any("trained at 30" in note for note in stream.notes)
    assert any("stride is left out" in note for note in kg.Stream(known, fps=15, stride=5).notes)
    wrong = replace(recording(40), keypoint=recording(40).keypoint * 100)
    with pytest.raises(ValueError, match=r"(?s)bodies are .* large.*compare=False takes the frames as they are"):
        push_all(stream, wrong)
    with pytest.raises(ValueError, match=r"bodies are .* large"):  # whoever goes on reads it again
        push_all(stream, wrong)
    assert stream.finish() == []


def test_frames_that_take_longer_than_they_last_are_said_once():
    """The times are given here, not measured."""
    said: list[str] = []
    nothing = dict.fromkeys(("window", "stride", "gap", "leave", "none", "layout", "fps", "image_size"))
    rule = {"enter": 0.3, "least": "0.2s", "delay": "0.1s", "count": False}
    known = weights(Preprocessing(people=1))
    session = Session(
        known, **nothing, **rule, people=1, engine="auto", map_layout=False, device="cpu", note=said.append
    )
    for took in [0.02] * 100 + [0.05] * 200:
        session._note_late(took, 30)
    (line,) = said
    assert line.startswith("a frame takes 34 ms here, and 30 come a second: answers come later and later; ")
