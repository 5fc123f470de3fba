"""Folders of recordings, also behind links."""

import os

import pytest

from kinegraph.data.folders import files_below, opening
from kinegraph.data.read import recordings


@pytest.fixture
def clips(tmp_path):
    """A folder whose classes are links to folders elsewhere; two of them lead back."""
    for name in ("wave", "bow"):
        (tmp_path / "disk" / name / "clip").mkdir(parents=True)
        (tmp_path / "disk" / name / "clip" / "000_keypoints.json").write_text(
            '{"people": [{"pose_keypoints_2d": [' + ", ".join("1.0" for _ in range(54)) + "]}]}"
        )
    (tmp_path / "raw").mkdir()
    for name in ("wave", "bow"):
        (tmp_path / "raw" / name).symlink_to(tmp_path / "disk" / name)
    (tmp_path / "disk" / "wave" / "again").symlink_to(tmp_path / "disk" / "bow")
    (tmp_path / "disk" / "bow" / "back").symlink_to(tmp_path / "disk" / "wave")
    (tmp_path / "disk" / "bow" / "up").symlink_to(tmp_path / "raw")
    (tmp_path / "disk" / "bow" / "root").symlink_to("/")
    return tmp_path


def test_links_are_followed_and_circles_end(clips):
    found = [str(file.parent.relative_to(clips / "raw")) for file in files_below(clips / "raw", "*_keypoints.json")]
    assert found == ["bow/back/clip", "bow/clip", "wave/again/clip", "wave/clip"]


def test_linked_folders_of_clips_are_read(clips):
    for name in ("again", "../bow/back", "../bow/up", "../bow/root"):
        (clips / "disk" / "wave" / name).unlink()
    found = recordings(clips / "raw")
    assert [(clip.name, found.class_names[clip.label]) for clip in found.clips] == [
        ("bow/clip", "bow"),
        ("wave/clip", "wave"),
    ]


def test_a_folder_is_listed_once(clips, monkeypatch):
    listed, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: listed.append(str(place)) or scandir(place))
    list(recordings(clips / "raw" / "wave").clips)
    assert len(listed) == len(set(listed)) > 2


def test_what_systems_leave_behind_is_passed_over(clips):
    raw = clips / "disk" / "wave"
    for name in ("again", "../bow/back", "../bow/up", "../bow/root"):
        (raw / name).unlink()
    for name in ("__MACOSX/clip/._000_keypoints.json", ".ipynb_checkpoints/000_keypoints.json", "clip/.001.json"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(b"\0\5\x16\7")
    (clip,) = recordings(raw).clips
    assert (clip.name, clip.frames) == ("clip", 1)


def test_links_to_files_that_are_not_there_are_named(clips):
    (clips / "disk" / "wave" / "clip" / "001_keypoints.json").symlink_to("nowhere.json")
    with pytest.raises(ValueError, match=r"has a link to nothing: clip/001_keypoints.json; fetch"):
        recordings(clips / "disk" / "wave")


def test_who_opens_many_files_before_the_first_clip_is_followed(tmp_path):
    rows = "".join(f"0,{joint},1,{joint}\n" for joint in range(17))
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(f"frame,joint,x,y\n{rows}")
    seen = []
    with opening(lambda done, of: seen.append((done, of))):
        recordings(tmp_path, layout="coco17")
    assert seen == [(0, 3), (1, 3), (2, 3)]
