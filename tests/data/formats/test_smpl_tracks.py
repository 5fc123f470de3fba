"""PHALP's, VIBE's and 3DPW's bodies followed through videos; files of parameters alone."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from kinegraph.data.read import recordings

TURNS = {"global_orient": np.zeros((1, 3, 3)), "body_pose": np.zeros((23, 3, 3)), "betas": np.zeros(10)}
BODY = np.random.default_rng(0).normal(size=(45, 3))


def saved(path: Path, value: object) -> Path:
    path.write_bytes(pickle.dumps(value))
    return path


def phalp(frames: int = 4) -> dict:
    """Person 7 in all pictures, person 9 in the later ones, the last time as a guess."""
    return {
        f"_DEMO/v/img/{time + 1:06}.jpg": {
            "time": time,
            "tid": [7, 9][: 1 + (time > 1)],
            "tracked_time": [0, 5 * (time == frames - 1)],
            "annotations": [[], []],
            "3d_joints": [BODY + time, BODY - 10 - time][: 1 + (time > 1)],
            "smpl": [TURNS, TURNS],
        }
        for time in range(frames)
    }


def test_tracks_of_phalp_are_people(tmp_path):
    found = recordings(saved(tmp_path / "demo_v.pkl", phalp()), units="m", up="-y")
    (clip,) = found.clips
    assert (found.layout.name, clip.keypoint.shape, found.format) == ("openpose25", (2, 4, 25, 3), "smpl-tracks")
    assert np.allclose(clip.keypoint[0, 3], (BODY + 3)[:25] * [-1, -1, 1], atol=1e-5)  # turned upright
    assert clip.keypoint[1].any((1, 2)).tolist() == [False, False, True, False]
    assert "bodies that PHALP guessed where it saw nobody: 1" in found.skipped()
    assert any("relative to each body" in line for line in found.assumed)


def test_a_person_s_frames_are_those_of_its_numbers(tmp_path):
    joints = np.concatenate([BODY, BODY[:4]])[None]
    tracks = {
        1: {"joints3d": np.repeat(joints, 4, 0), "frame_ids": np.arange(10, 14), "pose": np.zeros((4, 72))},
        3: {"joints3d": joints + 5, "frame_ids": np.array([12]), "orig_cam": np.zeros((1, 4))},
    }
    (clip,) = recordings(saved(tmp_path / "vibe_output.pkl", tracks), units="m", up="y").clips
    assert clip.layout.name == "openpose25"
    assert clip.keypoint.any((2, 3)).tolist() == [[True] * 4, [False, False, True, False]]


def test_actors_of_3dpw_are_people_of_a_scene(tmp_path):
    actors = [BODY[:24].reshape(1, 72).repeat(3, 0), BODY[:24].reshape(1, 72).repeat(3, 0) + 1]
    content = {"sequence": "walk", "jointPositions": actors, "poses": [np.zeros((3, 72))] * 2, "betas": []}
    found = recordings(saved(tmp_path / "walk.pkl", content), units="m", up="y")
    (clip,) = found.clips
    assert (clip.layout.name, clip.keypoint.shape, clip.fps) == ("smpl24", (2, 3, 24, 3), 30)
    assert not any("relative" in line for line in found.assumed)


PARAMETERS = {
    "wham_output.pkl": ({0: {"pose_world": np.zeros((2, 72)), "trans_world": np.zeros((2, 3))}}, "WHAM"),
    "vibe_output.pkl": ({1: {"pred_cam": np.zeros((2, 3)), "orig_cam": np.zeros((2, 4))}}, "VIBE"),
    "hps_track_0.npy": ({"pred_rotmat": np.zeros((2, 24, 3, 3)), "pred_trans": np.zeros((2, 3))}, "TRAM"),
    "hmr4d_results.pt": ({"smpl_params_global": {"body_pose": torch.zeros(2, 63)}}, "GVHMR"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_alone_are_refused_with_the_way(tmp_path, name):
    content, tool = PARAMETERS[name]
    path = tmp_path / name
    write = {".pkl": saved, ".npy": np.save, ".pt": lambda path, value: torch.save(value, path)}[path.suffix]
    write(path, content)
    with pytest.raises(ValueError, match=rf"parameters of SMPL .*and {tool} writes no file that does: compute them"):
        recordings(path)


def test_tensors_are_arrays_of_clips_and_a_network_is_none(tmp_path):
    clips = torch.arange(2 * 5 * 17 * 3).reshape(2, 5, 17, 3).float() + 1
    torch.save({"x": clips, "y": torch.tensor([1, 0])}, tmp_path / "clips.pt")
    found = list(recordings(tmp_path / "clips.pt", layout="coco17", units="m", up="y").clips)
    assert [it.label for it in found] == [1, 0]
    assert np.array_equal(found[1].keypoint[0], clips[1].numpy())
    torch.save({"tcn.weight": torch.zeros(64, 64, 3)}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="holds a network, no recordings"):
        recordings(tmp_path / "net.pth")


def romp(people: int, ids=None) -> dict:
    """What ROMP saw in a picture: its last person moves to the left of the others."""
    joints = np.repeat(np.concatenate([BODY, BODY[:26]])[None], people, 0)
    about = {} if ids is None else {"track_ids": np.array(ids)}
    places = np.array([[3.0 * who, 0, 5] for who in range(people)])
    return {"joints": joints, "cam_trans": places, "smpl_thetas": np.zeros((people, 72)), **about}


def test_people_of_romp_are_those_of_its_ids_or_where_they_stand(tmp_path):
    frames = [romp(2), romp(2)]
    swapped = {key: value[::-1] for key, value in frames[1].items()}
    np.savez(tmp_path / "video_results.npz", results={"00000000.jpg": frames[0], "00000001.jpg": swapped})
    found = recordings(tmp_path / "video_results.npz", up="y")
    (clip,) = found.clips
    assert (found.layout.name, clip.keypoint.shape) == ("smpl24", (2, 2, 24, 3))
    np.testing.assert_allclose(clip.keypoint[1, 1], BODY[:24] + [3, 0, 5], rtol=1e-5)
    assert any("where its cam_trans says" in line for line in found.assumed)
    named = {"0.jpg": romp(2, [4, 7]), "1.jpg": romp(1, [7])}
    np.savez(tmp_path / "named.npz", results=named)
    (clip,) = recordings(tmp_path / "named.npz", up="y").clips
    assert clip.keypoint.any((2, 3)).tolist() == [[True, True], [True, False]]  # who is seen most stands first
    np.testing.assert_allclose(clip.keypoint[0, 1], BODY[:24], rtol=1e-5)


def test_a_file_for_each_picture_of_romp_is_a_frame(tmp_path):
    for place in ("wave/a", "bow/b"):
        (tmp_path / place).mkdir(parents=True)
        for number in (3, 4):
            np.savez(tmp_path / place / f"{number:08}.npz", results=romp(1))
    found = recordings(tmp_path, up="y")
    clips = list(found.clips)
    assert [(it.name, it.frames, found.class_names[it.label]) for it in clips] == [
        ("bow/b", 2, "bow"),
        ("wave/a", 2, "wave"),
    ]


@pytest.mark.parametrize("wrong", [None, {}, np.zeros((2, 71)), np.zeros((1, 71, 3))])
def test_a_picture_of_romp_of_another_shape_is_one_line(tmp_path, wrong):
    np.savez(tmp_path / "a.npz", results={"0.jpg": romp(2), "1.jpg": romp(2) | {"joints": wrong}})
    with pytest.raises(ValueError, match=r"a.npz: picture 1 has joints .*, expected \(people, 71, 3\)"):
        recordings(tmp_path / "a.npz")
