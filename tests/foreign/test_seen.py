"""From a pickle and a config to what the network sees in a test, beside a plain reading of the published transforms."""

import pickle

import numpy as np
import pytest
import yaml

from kinegraph.data.dataset import open_dataset
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.foreign.clips import open_clips
from kinegraph.foreign.read import read_foreign
from kinegraph.foreign.recipe import as_yaml
from tests.foreign import projects

# Bone vectors as JointToBone of MMAction2 and PYSKL lists them: joint, start.
COCO = [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (5, 0), (6, 0), (7, 5), (8, 6), (9, 7), (10, 8), (11, 0), (12, 0)]
COCO += [(13, 11), (14, 12), (15, 13), (16, 14)]
NTU = [(0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10), (12, 0)]
NTU += [(13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18), (21, 22), (20, 20), (22, 7), (23, 24)]
NTU += [(24, 11)]
SHAPES = [(1, 30), (2, 150), (2, 220), (2, 100), (1, 7), (2, 64)]  # people and frames of the clips


def turn(towards, axis):
    """The shortest turn of a direction to an axis, by the angle and the normal of both."""
    normal, cosine = np.cross(towards, axis), np.dot(towards / np.linalg.norm(towards), axis)
    sine = np.sqrt(1 - cosine**2)
    x, y, z = normal / np.linalg.norm(normal)
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + sine * across + (1 - cosine) * across @ across


def pre_normalize_3d(joints, align):
    """Frames without the person who is there longer are left out, he comes first; the middle of the spine is 0."""
    there = [[t for t, frame in enumerate(body) if frame.any()] for body in joints]
    if len(joints) == 2 and len(there[0]) < len(there[1]):
        joints, there = joints[[1, 0]], there[::-1]
    joints = joints[:, there[0]].astype(float)
    joints = (joints - joints[0, 0, 1]) * joints.any(3, keepdims=True)
    if align:
        for (start, end), axis in (((0, 1), (0, 0, 1)), ((4, 8), (1, 0, 0))):
            joints = joints @ turn(joints[0, 0, end] - joints[0, 0, start], np.array(axis)).T
    return joints


def pre_normalize_2d(item, threshold):
    height, width = item["img_shape"]
    place = item["keypoint"].astype(float) / (width / 2, height / 2) - 1
    score = item["keypoint_score"].astype(float)[..., None]
    return np.concatenate([place if threshold is None else place * (score > threshold), score], 3)


def feature(joints, name, pairs, scored):
    if "b" in name:
        starts = joints[:, :, [start for _, start in sorted(pairs)]]
        bones = joints - starts
        if scored:
            bones[..., 2] = (joints[..., 2] + starts[..., 2]) / 2
        joints = bones
    if "m" in name:
        moved = np.zeros_like(joints)
        moved[:, :-1] = joints[:, 1:] - joints[:, :-1]
        if scored:
            moved[:, :-1, :, 2] = (joints[:, 1:, :, 2] + joints[:, :-1, :, 2]) / 2
        joints = moved
    return joints


def chosen(total, way):
    """Ten times 100 frames, seed 255."""
    rng, rows = np.random.RandomState(255), []
    for clip in range(10):
        if way != "MMAction2":
            rng.rand(), rng.randint(1)
        if total < 100:
            start = rng.randint(total) if way == "UniformSampleDecode" else clip if total < 10 else clip * total // 10
            rows.append(start + np.arange(100))
        elif total < 200:
            skips = np.zeros(101, int)
            skips[rng.choice(101, total - 100, replace=False)] = 1
            rows.append(np.arange(100) + skips.cumsum()[:-1])
        else:
            edges = np.array([i * total // 100 for i in range(101)])
            rows.append(edges[:-1] + rng.randint(np.diff(edges)))
    return np.stack(rows) % total


def two_people(joints):
    return np.concatenate([joints, np.zeros((2 - len(joints), *joints.shape[1:]))])


def annotations(flat):
    """Half precision; the second person leaves, the first comes late or is away longer."""
    rng, items = np.random.default_rng(0), []
    for number, (people, frames) in enumerate(SHAPES):
        size = (people, frames, 17, 2) if flat else (people, frames, 25, 3)
        joints = rng.random(size) * (1900, 1000) if flat else rng.normal(0, 0.5, size) + (0, 0, 3)
        score = rng.random(size[:3])
        score[:, ::7, 3] = 0.005
        if people > 1:
            joints[1, frames // 2 :] = score[1, frames // 2 :] = 0
        if number == 3:
            joints[0, :60] = score[0, :60] = 0
        item = {"frame_dir": f"clip{number}", "label": number, "total_frames": frames}
        item |= {"keypoint": joints.astype(np.float16)}
        if flat:
            item |= {
                "keypoint_score": score.astype(np.float16),
                "img_shape": (1080, 1920) if number % 2 else (480, 640),
            }
        items.append(item)
    return items


VARIANTS = {
    "MMAction2 2D": (lambda it: projects.mmaction1("stgcnpp", it, True), "MMAction2", True),
    "PYSKL 2D": (lambda it: projects.pyskl("stgcnpp", it, True), "UniformSample", True),
    "MMAction2 3D": (lambda it: projects.mmaction1("stgcnpp", it, False), "MMAction2", False),
    "PYSKL 3D": (lambda it: projects.pyskl("stgcnpp", it, False), "UniformSample", False),
    "DG-STGCN": (lambda it: projects.dense("DGSTGCN", it), "UniformSampleDecode", False),
}


@pytest.mark.parametrize("stream", ["j", "b", "jm", "bm"])
@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_network_sees_in_a_test(name, stream, tmp_path):
    text, way, flat = VARIANTS[name]
    (tmp_path / "config.py").write_text(text(stream))
    recipe = read_foreign(tmp_path / "config.py")
    path = tmp_path / recipe.parts["test"].path
    path.parent.mkdir(parents=True)
    items = {item["frame_dir"]: item for item in annotations(flat)}
    split = {"xsub_train": list(items)[:3], "xsub_val": list(items)[3:]}
    path.write_bytes(pickle.dumps({"split": split, "annotations": list(items.values())}))
    steps = Preprocessing.from_dict(yaml.safe_load(as_yaml(recipe))["preprocessing"])
    for clip in open_dataset(open_clips(recipe, ["test"]).path):
        item = items[clip.name]
        if flat:
            joints = pre_normalize_2d(item, 0.01 if name.startswith("PYSKL") else None)
        else:
            joints = pre_normalize_3d(item["keypoint"], align="align_spine=False" not in text(stream))
        joints = feature(joints, stream, COCO if flat else NTU, flat)
        expected = np.stack([two_people(joints[:, row]) for row in chosen(joints.shape[1], way)])
        np.testing.assert_allclose(prepare_clip(clip, steps), expected, atol=2e-5)
