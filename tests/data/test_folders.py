"""Folders of recordings, also behind links."""

import pytest

from kinegraph.data.folders import files_below
from kinegraph.data.formats import recordings


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
