"""Prediction: one clip, many, by person and by window give what the network says of exactly those frames."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import kinegraph as kg
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.inference.answers import answers
from kinegraph.inference.clip_matching import fitted, joints_by_name
from kinegraph.inference.inputs import Question, true_class
from kinegraph.inference.predictor import placed, predictor_of
from kinegraph.inference.trained_network import probabilities
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import JointLayout, load_layout

NTU = load_layout("ntu25")
NAMES = ("sit", "stand", "walk", "wave")
HOW = Preprocessing(normalize="facing", sampling="resample", frames=12, streams=("joint", "bone"), test_mirror=True)


def a_file(path, how=HOW, layout=NTU, channels=6, names=NAMES, widths=(8, 16)):
    """Untrained weights whose answers are far from even."""
    torch.manual_seed(3)
    network = STGCN(adjacency(layout), channels, len(names), widths=widths)
    torch.nn.init.normal_(network.head.weight, 0.0, 3.0)
    save_weights(path, network, layout=layout, class_names=names, preprocessing=how.to_dict())
    return path


def a_clip(seed=0, people=2, frames=30, layout=NTU, **facts):
    keypoint = np.random.default_rng(seed).normal(size=(people, frames, len(layout), 3)).astype(np.float32)
    return SkeletonClip(keypoint, layout, f"clip {seed}", **facts)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return a_file(tmp_path_factory.mktemp("weights") / "w.safetensors")


@pytest.fixture
def predictor(path):
    return predictor_of(path)


# ---- one clip --------------------------------------------------------------------------------------------------------


def test_what_is_no_clip_is_said(path):
    model, clip = kg.load_model(path), a_clip()
    expected = kg.predict(model, clip).probabilities
    tensor = torch.from_numpy(clip.keypoint)
    for same in (tensor, tensor.clone().requires_grad_(), clip.keypoint.tolist()):
        np.testing.assert_array_equal(kg.predict(model, same).probabilities, expected)
    with pytest.raises(ValueError, match=r"several clips: kg.predict takes one at a time .* are for model\(x\)"):
        kg.predict(model, tensor[None])
    with pytest.raises(ValueError, match=r"no file or folder recording\.skeleton"):
        kg.predict(model, "recording.skeleton")


@pytest.mark.parametrize("size", ["big", 5, (-1, 2), (1, 2, 3), (float("nan"), 1)])
def test_an_image_size_is_two_numbers_or_their_text(tmp_path, size):
    how = Preprocessing(people=1, normalize="image", sampling="resample", frames=5)
    model = kg.load_model(a_file(tmp_path / "flat.safetensors", how, channels=2))
    pixels = a_clip(people=1).keypoint[..., :2] * 100 + 500
    said = [kg.predict(model, pixels, image_size=it).probabilities for it in ((1920, 1080), "1920x1080", [1920, 1080])]
    assert all(np.array_equal(one, said[0]) for one in said)
    with pytest.raises(ValueError, match=r"image_size is .*, expected \(width, height\)"):
        kg.predict(model, pixels, image_size=size)


def test_a_prediction_is_the_mean_probability_of_the_test_views(path):
    model, clip = kg.load_model(path), a_clip()
    with torch.no_grad():
        views = model(torch.from_numpy(prepare_clip(clip, HOW)))  # the clip and its mirror image
    expected = views.softmax(-1).mean(0).numpy()
    said = kg.predict(model, clip)
    np.testing.assert_allclose(said.probabilities, expected, atol=1e-6)
    assert said.class_names == NAMES
    assert said.label == expected.argmax()
    assert said.top(2) == [(NAMES[i], said.probabilities[i]) for i in np.argsort(-expected)[:2]]
    assert str(said).startswith(f"{said.class_name} {said.probability:.1%}, ")


def test_every_way_to_ask_is_the_same(path):
    model, clip = kg.load_model(path), a_clip()
    expected = kg.predict(model, clip).probabilities
    for asked in (path, str(path), load_weights(path), model.train()):
        np.testing.assert_array_equal(kg.predict(asked, clip).probabilities, expected)
    assert model.training  # as it was
    np.testing.assert_array_equal(kg.predict(model, clip.keypoint).probabilities, expected)
    alone = kg.predict(model, replace(clip, keypoint=clip.keypoint[:1])).probabilities
    np.testing.assert_array_equal(kg.predict(model, clip.keypoint[0]).probabilities, alone)
    np.testing.assert_allclose(kg.predict(model.double(), clip).probabilities, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (a_clip().keypoint[:, :, :20], "of 20 joints, the network was trained on the 25 of layout 'ntu25'"),
        (a_clip().keypoint[..., :2], "has xy without scores, the network wants xyz without scores"),
        (a_clip().keypoint[0, 0], r"shape \(25, 3\), expected \(people, frames, joints"),
        (object(), "a object is no clip: give one, such as"),
        ("recordings/wave.npy", "no file or folder .*wave.npy"),
        (a_clip().keypoint * np.nan, "not finite"),
        (a_clip().keypoint * 0, "shows nobody"),
        (a_clip(layout=load_layout("kinect22")), r"it lacks spine_mid, .* \(8 of 25\): use weights .* kinect22"),
    ],
)
def test_what_does_not_fit_is_said(path, clip, words):
    with pytest.raises(ValueError, match=words):
        kg.predict(path, clip)


def test_a_clip_may_show_nobody_where_a_class_means_that(tmp_path):
    file = a_file(tmp_path / "w.safetensors", names=("sit", "empty", "walk", "wave"))
    assert kg.predict(file, a_clip().keypoint * 0).probabilities.sum() == pytest.approx(1)


def test_a_network_without_its_facts_is_told_from_one_with(tmp_path):
    with pytest.raises(ValueError, match="this Linear does not know its classes"):
        kg.predict(torch.nn.Linear(2, 2), a_clip())
    weights = load_weights(a_file(tmp_path / "w.safetensors"))
    weights = replace(weights, preprocessing={})
    with pytest.raises(ValueError, match="give preprocessing"):
        kg.predict(weights, a_clip())
    assert kg.predict(weights, a_clip(), preprocessing=HOW).probability > 0
    with pytest.raises(ValueError, match="preprocessing is a str, expected a Preprocessing"):
        kg.predict(weights, a_clip(), preprocessing="recipe.yaml")
    with pytest.raises(ValueError, match="no device 'abacus', expected auto, cpu"):
        placed(predictor_of(tmp_path / "w.safetensors"), "abacus")
    with pytest.raises(ValueError, match="no precision 'fp16', expected 32-true, 16-mixed"):
        placed(predictor_of(tmp_path / "w.safetensors"), "cpu", "fp16")


def test_arguments_in_the_wrong_order_are_named(path):
    for found, clip in (("SkeletonClip", a_clip()), ("ndarray", a_clip().keypoint), ("Tensor", torch.ones(1))):
        with pytest.raises(ValueError, match=rf"a {found} is no network: kg.predict\(model, clip\)"):
            kg.predict(clip, kg.load_model(path))
    with pytest.raises(ValueError, match="load_model takes the path or name of a weights file, found a STGCN"):
        kg.load_model(kg.load_model(path))


# ---- joints and channels ---------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.permutations(range(27)), st.sampled_from([str.upper, str.title, lambda name: name.replace("_", " ")]))
def test_joints_are_found_by_name(order, spelt):
    names = [*map(spelt, NTU.joints), "tail", "wing"]
    bones = tuple((i, 0) for i in range(1, 27))
    other = JointLayout("other", tuple(names[i] for i in order), bones, centre=0)
    clip = a_clip(layout=NTU)
    wide = np.concatenate([clip.keypoint, clip.keypoint[:, :, :2]], axis=2)[:, :, order]
    mapped = fitted(SkeletonClip(wide, other), NTU, HOW, 6, map_layout=True)
    assert mapped.layout == NTU
    np.testing.assert_array_equal(mapped.keypoint, clip.keypoint)
    with pytest.raises(ValueError, match=r"all of them are there by name: .*--map-layout"):
        fitted(SkeletonClip(wide, other), NTU, HOW, 6)
    wide[:, :, [order.index(joint) for joint in (25, 26)]] = 0  # never seen: taking the others loses nothing
    np.testing.assert_array_equal(fitted(SkeletonClip(wide, other), NTU, HOW, 6).keypoint, clip.keypoint)


def test_only_joints_that_are_there_are_mapped():
    assert joints_by_name(NTU.joints, load_layout("ntu24").joints) == (*range(20), 21, 22, 23, 24)
    assert None not in joints_by_name(load_layout("blazepose33").joints, load_layout("coco17").joints)
    assert joints_by_name(("left_knee", "LeftKnee"), ("left_knee",)) == (None,)  # which of them?
    clip = SkeletonClip(np.ones((1, 9, 24, 3), np.float32), load_layout("ntu24"))
    with pytest.raises(ValueError, match="it lacks spine_shoulder: use weights that were trained on ntu24"):
        fitted(clip, NTU, HOW, 6, map_layout=True)


def test_scores_are_given_where_the_network_knows_them():
    flat = SkeletonClip(
        np.ones((1, 9, 17, 2), np.float32), load_layout("coco17"), score=np.ones((1, 9, 17), np.float32)
    )
    image = replace(HOW, normalize="image", streams=("joint",))
    assert fitted(flat, flat.layout, image, 3).score is not None
    assert fitted(flat, flat.layout, image, 2).score is None
    with pytest.raises(
        ValueError, match="xy without scores, the network wants xy with scores; give each joint its conf"
    ):
        fitted(replace(flat, score=None), flat.layout, image, 3)
    solid = SkeletonClip(np.ones((1, 9, 17, 3), np.float32), flat.layout)
    with pytest.raises(ValueError, match="xyz without scores, the network wants xy with scores"):
        fitted(solid, flat.layout, image, 3)
    assert fitted(solid, flat.layout, replace(image, normalize="none"), 3).keypoint.shape[3] == 3  # nobody can tell
    said = ["x", "y", "score"]  # by the weights
    with pytest.raises(ValueError, match="xyz without scores, the network wants xy with scores; give scores apart"):
        fitted(solid, flat.layout, replace(image, normalize="none"), 3, said=said)
    assert fitted(flat, flat.layout, replace(image, normalize="none"), 3, said=said).score is not None
    with pytest.raises(ValueError, match="xy with scores, the network wants xyz without scores"):
        fitted(flat, flat.layout, replace(image, normalize="none"), 3, said=["x", "y", "z"])


# ---- many clips ------------------------------------------------------------------------------------------------------


def test_batches_change_nothing(predictor):
    clips = [a_clip(seed, 1 + seed % 2, 10 + seed) for seed in range(7)]
    one = np.stack(list(probabilities(predictor, clips, batch_size=1)))
    np.testing.assert_allclose(np.stack(list(probabilities(predictor, clips, batch_size=3))), one, atol=1e-6)
    assert one.std(0).max() > 0.05  # they differ at all


def test_a_network_made_quick_says_the_same(tmp_path):
    predictor = predictor_of(a_file(tmp_path / "wide.safetensors", widths=[8, 256]))
    quick = placed(predictor, "cpu", many=True)
    assert type(quick.network) is not type(predictor.network)
    clips = [a_clip(seed, frames=12) for seed in range(3)]
    expected = np.stack(list(probabilities(predictor, clips)))
    np.testing.assert_allclose(np.stack(list(probabilities(quick, clips))), expected, atol=1e-5)
    assert type(placed(predictor_of(a_file(tmp_path / "w.safetensors")), "cpu", many=True).network) is STGCN


def test_clips_are_taken_as_answers_are(predictor):
    taken = []

    def asked():
        for seed in range(20):
            taken.append(seed)
            yield Question(a_clip(seed))

    rows = answers(predictor, asked(), batch_size=4)
    next(rows)
    assert len(taken) <= 5


def test_a_person_is_seen_alone_and_only_while_there(path, predictor):
    clip = a_clip(people=3, fps=10.0)
    clip.keypoint[1] = 0  # never there
    clip.keypoint[2, :8] = clip.keypoint[2, 25:] = 0
    first, third = answers(predictor, [Question(clip)], per_person=True)
    assert [(one.person, one.start, one.stop) for one in (first, third)] == [(1, 0, 30), (3, 8, 25)]
    assert third.seconds == (0.8, 2.5)
    alone = kg.predict(path, clip.keypoint[2, 8:25])
    np.testing.assert_allclose(third.prediction.probabilities, alone.probabilities, atol=1e-6)


def test_a_window_as_long_as_the_clip_is_the_clip(predictor):
    clip = a_clip()
    (whole,) = answers(predictor, [Question(clip)])
    (stretch,) = answers(predictor, [Question(clip)], window=30)
    assert (stretch.start, stretch.stop) == (0, 30)
    np.testing.assert_allclose(stretch.prediction.probabilities, whole.prediction.probabilities, atol=1e-6)


def test_a_timeline_leaves_out_when_nobody_is_there(predictor):
    clip = a_clip(people=1, frames=100)
    clip.keypoint[:, 40:80] = 0
    rows = list(answers(predictor, [Question(clip)], window=10, stride=5))
    covered = sorted(frame for one in rows for frame in range(one.start, one.stop))
    assert covered == [*range(45), *range(75, 100)]  # windows in which anybody is


# ---- what is known of the truth --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "names", "truth"),
    [
        (1, ("wave", "Stand"), "stand"),  # by name, spelt as the network does
        (2, ("class 0", "class 1", "class 2"), "walk"),  # no names: by number
        (0, ("fly",), "fly"),  # not one of the network's
        (9, ("class 0",), "class 9"),
        (None, ("sit",), None),
    ],
)
def test_labels_are_compared_by_name(label, names, truth):
    assert true_class(label, names, NAMES) == truth


def test_right_is_known_only_of_known_classes(predictor):
    best = next(answers(predictor, [Question(a_clip())])).prediction.class_name
    other = next(name for name in NAMES if name != best)
    asked = [Question(a_clip(), truth) for truth in (best, other, "fly", None)]
    assert [one.right for one in answers(predictor, asked)] == [True, False, None, None]


def test_scores_of_plain_coordinates_go_with_them(tmp_path):
    """Of one person or with an axis for people, and not beside a clip that has its own."""
    pixels, layout = np.random.default_rng(5).uniform(0, 400, (1, 20, 17, 2)), load_layout("coco17")
    sure = np.random.default_rng(6).uniform(0, 1, (1, 20, 17))
    how = Preprocessing(people=1, normalize="image", sampling="resample", frames=8)
    path = a_file(tmp_path / "scored.safetensors", how, layout, channels=3)
    one = kg.predict(path, pixels[0], score=sure[0], image_size=(640, 480))
    several = kg.predict(path, pixels, score=sure, image_size=(640, 480))
    np.testing.assert_array_equal(one.probabilities, several.probabilities)
    unsure = kg.predict(path, pixels, score=sure * 0.1, image_size=(640, 480))
    assert np.abs(unsure.probabilities - one.probabilities).max() > 1e-3
    clip = SkeletonClip(pixels.astype(np.float32), layout, score=sure.astype(np.float32), image_size=(640, 480))
    np.testing.assert_array_equal(kg.predict(path, clip).probabilities, one.probabilities)
    with pytest.raises(ValueError, match="a SkeletonClip holds its own"):
        kg.predict(path, clip, score=sure)


def test_a_network_in_training_keeps_its_mode_and_its_statistics(predictor):
    """Also while several threads ask it: the mode of a module is the same for all threads."""
    network = predictor.network
    quiet = next(probabilities(predictor, [a_clip()]))
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: next(probabilities(predictor, [a_clip()])), range(16)))
    modes = {part.training for part in network.modules()}
    network.eval()
    assert modes == {True}
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    for row in found:
        np.testing.assert_array_equal(row, quiet)


def test_a_network_that_is_asked_elsewhere_stays_where_it_is(path):
    model = kg.load_model(path).double()
    stream = kg.Stream(model, fps=30, window=10, device="cpu", compare=False)
    stream.push(a_clip(people=1).keypoint[0, 0])
    assert {it.dtype for it in model.parameters()} == {torch.float64}
    once = predictor_of(path)
    assert placed(once, "cpu").network is once.network  # nothing to move: no second copy in memory
