"""Normalisation: published results, and what turning and shifting a recording may not change.

golden/ntu.npz `normalised_300` is what the converter of 2s-AGCN / MMAction2 0.x makes of `energy_selected` (the first
120 of 300 frames); golden/transforms.npz is PreNormalize3D and PreNormalize2D of MMAction2 1.x, PoseNormalize of 0.x.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data import normalize
from kinegraph.skeleton.geometry import seen
from kinegraph.skeleton.layout import load_layout

GOLDEN = Path(__file__).parents[1] / "golden"
NTU = load_layout("ntu25")
SPINE = NTU.spine[1]


@pytest.fixture(scope="module")
def transforms():
    with np.load(GOLDEN / "transforms.npz") as file:
        return dict(file)


def people(seed: int = 0, frames: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal((0, 0, 3), 1, (2, frames, 25, 3)).astype(np.float32)


def ntu_published(keypoint: np.ndarray, frames: int | None = 300) -> np.ndarray:
    return normalize.centre_and_align(normalize.fill_missing_frames(keypoint, frames), NTU, each_frame=True)


def prenormalize3d(keypoint: np.ndarray) -> np.ndarray:
    return normalize.centre_and_align(normalize.drop_empty_frames(keypoint), NTU)


# ---- published results -----------------------------------------------------------------------------------------------


def test_ntu_published():
    with np.load(GOLDEN / "ntu.npz") as golden:
        for selected, frames, expected in zip(
            golden["energy_selected"], golden["total_frames"], golden["normalised_300"], strict=True
        ):
            keypoint = selected.transpose(3, 1, 2, 0)[:, :frames]
            normalised = ntu_published(keypoint, 300)
            assert (normalised.shape, normalised.dtype) == ((2, 300, 25, 3), np.float32)
            np.testing.assert_allclose(normalised[:, :120].transpose(3, 1, 2, 0), expected, atol=1e-5)


@pytest.mark.parametrize("case", ["one", "two", "second_empty", "gaps", "swap"])
def test_prenormalize3d(transforms, case):
    keypoint, expected = transforms[f"prenormalize3d/{case}/in"], transforms[f"prenormalize3d/{case}/out"]
    normalised = prenormalize3d(keypoint)
    assert (normalised.shape, normalised.dtype) == (expected.shape, np.float32)
    np.testing.assert_allclose(normalised, expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (480, 640)])
def test_image_to_unit(transforms, height, width):
    scaled = normalize.image_to_unit(transforms["prenormalize2d/in"], width, height)
    np.testing.assert_allclose(scaled, transforms[f"prenormalize2d/out_{height}x{width}"], atol=1e-6)


@pytest.mark.parametrize("i", range(3))
def test_image_and_score_to_half(transforms, i):
    keypoint = transforms[f"pipeline0_2d/{i}/in"]
    scored = np.concatenate([keypoint, transforms[f"pipeline0_2d/{i}/score"][..., None]], axis=-1)
    padded = np.zeros((2, 300, 17, 3), np.float32)
    padded[: len(scored)] = scored[:, np.arange(300) % scored.shape[1]]
    scaled = normalize.image_and_score_to_half(padded)
    np.testing.assert_allclose(scaled.transpose(3, 1, 2, 0), transforms[f"pipeline0_2d/{i}/out"], atol=1e-5)


# ---- frames ----------------------------------------------------------------------------------------------------------


def test_filling_repeats_each_person_from_the_start():
    keypoint = people(frames=6)
    keypoint[0, [2, 4, 5]] = 0  # there from the first frame: the gap stays, the end is filled
    keypoint[1, [0, 3]] = 0  # late: closes up
    filled = normalize.fill_missing_frames(keypoint, 9)
    np.testing.assert_array_equal(filled[0], keypoint[0, [0, 1, 2, 3, 0, 1, 2, 3, 0]])
    np.testing.assert_array_equal(filled[1], keypoint[1, [1, 2, 4, 5, 1, 2, 4, 5, 1]])


def test_filling_leaves_an_absent_person_and_cuts_a_long_clip():
    keypoint = people(frames=6)
    keypoint[1] = 0
    filled = normalize.fill_missing_frames(keypoint, 4)
    np.testing.assert_array_equal(filled, keypoint[:, :4])
    np.testing.assert_array_equal(normalize.fill_missing_frames(keypoint[::-1], 4), keypoint[::-1, :4])
    np.testing.assert_array_equal(normalize.fill_missing_frames(keypoint, 1), keypoint[:, :1])
    with pytest.raises(ValueError, match="give 1 or more"):
        normalize.fill_missing_frames(keypoint, 0)


def test_empty_frames_are_those_of_the_person_who_is_there_most():
    with pytest.raises(ValueError, match="1 or 2 people, the clip has 3"):
        normalize.drop_empty_frames(np.ones((3, 4, 25, 3)))
    nobody = np.zeros((2, 4, 25, 3), np.float32)
    np.testing.assert_array_equal(prenormalize3d(nobody), nobody)
    np.testing.assert_array_equal(ntu_published(nobody, None), nobody)


def test_an_empty_frame_is_one_within_1e_8_of_zero():
    """The bound of numpy.isclose, by which the published code decides."""
    keypoint = np.repeat([0.5, 1e-8, 2e-8, 0.5], 75).reshape(1, 4, 25, 3)
    np.testing.assert_array_equal(normalize.drop_empty_frames(keypoint), np.float32(keypoint[:, [0, 2, 3]]))


def test_a_joint_is_seen_if_any_coordinate_is_not_zero():
    keypoint = np.concatenate([np.eye(3), -np.eye(3), np.zeros((1, 3))])[None, None]
    assert seen(keypoint).tolist() == [[[True] * 6 + [False]]]


# ---- invariants ------------------------------------------------------------------------------------------------------


def turn(seed: int) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return q * np.sign(np.linalg.det(q))


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_spine_then_shoulders_end_on_their_axes(seed):
    keypoint = people(seed)
    upright = normalize.align_body(keypoint, NTU, shoulders_to=None)[0, 0]
    spine = upright[NTU.spine[1]] - upright[NTU.spine[0]]
    np.testing.assert_allclose(spine / np.linalg.norm(spine), [0, 0, 1], atol=1e-5)
    aligned = normalize.align_body(keypoint, NTU)
    across = aligned[0, 0, NTU.shoulders[1]] - aligned[0, 0, NTU.shoulders[0]]
    np.testing.assert_allclose(across / np.linalg.norm(across), [1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(_distances(aligned), _distances(keypoint), atol=1e-4)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(-np.pi, np.pi))
def test_where_the_camera_stands_does_not_matter(seed, angle):
    """Facing front undoes a step and a turn about the vertical; lean and height of the body stay."""
    keypoint = people(seed)
    yaw = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    elsewhere = (keypoint @ yaw.T + [0.5, -0.2, 1]).astype(np.float32)
    one, other = (normalize.face_front(normalize.centre_first_frame(k, SPINE), NTU) for k in (keypoint, elsewhere))
    np.testing.assert_allclose(one, other, atol=2e-4)
    across = one[0, 0, NTU.shoulders[1]] - one[0, 0, NTU.shoulders[0]]
    assert across[0] > 0
    assert abs(across[2]) < 1e-5
    np.testing.assert_allclose(one[..., 1], keypoint[..., 1] - keypoint[0, 0, SPINE, 1], atol=1e-5)


@pytest.mark.parametrize("centre", [normalize.centre_each_frame, normalize.centre_first_frame])
def test_centring_keeps_zeros_and_distances(centre):
    keypoint = people()
    keypoint[1, 3] = 0
    keypoint[0, 5, 7] = 0
    centred = centre(keypoint, SPINE)
    assert not centred[0, 0, SPINE].any()
    assert not centred[1, 3].any()
    assert not centred[0, 5, 7].any()
    np.testing.assert_allclose(_distances(centred)[0, 0], _distances(keypoint)[0, 0], atol=1e-5)
    assert centred[0, :, SPINE].any() == (centre is normalize.centre_first_frame)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_shortest_rotation_is_a_rotation_onto_the_target(seed):
    vector, target = np.random.default_rng(seed).normal(size=(2, 3))
    matrix = normalize.shortest_rotation(vector, target)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    turned = matrix @ vector
    np.testing.assert_allclose(turned / np.linalg.norm(turned), target / np.linalg.norm(target), atol=1e-9)


def test_no_turn_where_there_is_no_axis():
    for vector in ((0, 0, 0), (0, 0, 2), (0, 0, -2)):
        np.testing.assert_array_equal(normalize.shortest_rotation(vector, (0, 0, 1)), np.eye(3))
    np.testing.assert_array_equal(normalize.shortest_rotation((9e-7, 0, 0), (0, 0, 1)), np.eye(3))
    shortest = normalize.shortest_rotation((1e-6, 0, 0), (0, 0, 1))  # what is published turns from here on
    np.testing.assert_allclose(shortest @ (1, 0, 0), (0, 0, 1), atol=1e-12)
    flat = people()
    flat[0, 0, list(NTU.shoulders)] = [[0, 1, 0], [0, 0, 0]]  # one shoulder above the other
    np.testing.assert_array_equal(normalize.face_front(flat, NTU), flat)
    with pytest.raises(ValueError, match=r"^the directions 'up' and 'right' are the same; give two that are not$"):
        normalize.face_front(flat, NTU, right=(0, 1, 0))


def test_only_the_directions_of_up_and_right_matter():
    keypoint, up, right = people(), np.array([0.1, 0.9, -0.2]), np.array([1.0, 0.3, 0.5])
    expected = normalize.face_front(keypoint, NTU, tuple(up), tuple(right))
    longer = normalize.face_front(keypoint, NTU, tuple(3 * up), tuple(2 * right))
    np.testing.assert_allclose(longer, expected, atol=1e-5)


def test_the_turn_of_a_clip_in_half_floats_is_not_rounded_so():
    half = people().astype(np.float16)
    np.testing.assert_allclose(
        normalize.align_body(half, NTU), normalize.align_body(half.astype(np.float64), NTU), atol=1e-6
    )


def test_a_layout_without_shoulders_says_so():
    with pytest.raises(ValueError, match="layout 'ntu25' does not name its shoulders; add 'shoulders: "):
        normalize.align_body(people(), replace(NTU, shoulders=None))


def test_inputs_are_not_changed():
    keypoint = people()
    before = keypoint.copy()
    ntu_published(keypoint, 20)
    prenormalize3d(keypoint)
    normalize.image_to_unit(keypoint, 640, 480)
    np.testing.assert_array_equal(keypoint, before)


@pytest.mark.parametrize("stored", [np.float16, np.float32, np.float64])
def test_whatever_clips_are_stored_in_becomes_float32(stored):
    keypoint = people().astype(stored)
    gap = keypoint.copy()
    gap[0, 3] = 0
    for clip in (keypoint, gap):
        made = [
            normalize.fill_missing_frames(clip, 20),
            normalize.drop_empty_frames(clip),
            normalize.drop_empty_frames(np.zeros_like(clip)),
            normalize.centre_each_frame(clip, SPINE),
            normalize.centre_first_frame(clip, SPINE),
            normalize.align_body(clip, NTU),
            normalize.face_front(clip, NTU),
            normalize.set_upright(clip, "z"),
            normalize.image_and_score_to_half(clip),
        ]
        assert {values.dtype.name for values in made} == {"float32"}
    assert ntu_published(keypoint).shape == (2, 300, 25, 3)


def test_an_image_needs_a_size():
    with pytest.raises(ValueError, match="0 x 480 pixels"):
        normalize.image_to_unit(people(), 0, 480)
    with pytest.raises(ValueError, match="480 x 0 pixels"):
        normalize.image_to_unit(people(), 480, 0)
    assert not normalize.image_to_unit(np.full((1, 1, 1, 2), 0.5), 1, 1).any()  # the middle of a single pixel
    with pytest.raises(ValueError, match="expected x, y and score, the clip has 2 channels"):
        normalize.image_and_score_to_half(np.ones((1, 5, 17, 2)))


def _distances(keypoint: np.ndarray) -> np.ndarray:
    return np.linalg.norm(keypoint[:, :, :, None] - keypoint[:, :, None], axis=-1)


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
def test_set_upright_brings_the_vertical_to_y_and_turns(up):
    vertical = np.zeros(3)
    vertical["xyz".index(up[-1])] = -1 if up[0] == "-" else 1
    axes = np.stack([vertical, *np.eye(3)])[None, None].astype(np.float32)  # the vertical and a frame of axes
    upright = normalize.set_upright(axes, up)[0, 0]
    np.testing.assert_array_equal(upright[0], (0, 1, 0))
    assert np.linalg.det(upright[1:]) == 1


def test_from_first_seen_leaves_out_frames_before_the_body_is_there():
    keypoint = np.ones((2, 4, 25, 3), np.float32)
    keypoint[0, :2, 4] = 0
    assert normalize.from_first_seen(keypoint, (0, 4)).shape[1] == 2
    assert normalize.from_first_seen(keypoint, (0, 5)).shape[1] == 4
    assert normalize.from_first_seen(np.zeros_like(keypoint), (0,)).shape[1] == 4


def test_whatever_pixels_are_stored_in_becomes_float32():
    pixels = np.array([960, 540, 0, 0]).reshape(1, 1, 2, 2)
    for stored in (np.float64, np.float16):
        scaled = normalize.image_to_unit(pixels.astype(stored), 1920, 1080)
        assert scaled.dtype == np.float32
        assert scaled.ravel().tolist() == [0, 0, -1, -1]


def test_only_three_coordinates_are_turned():
    with pytest.raises(ValueError, match=r"^only clips with x, y and z can be turned, this one has 2 channels$"):
        normalize.set_upright(np.ones((1, 1, 25, 2), np.float32), "z")
    with pytest.raises(ValueError, match=r"^only clips with x, y and z can be turned, this one has 2 channels$"):
        normalize.align_body(np.ones((1, 1, 25, 2), np.float32), NTU)
