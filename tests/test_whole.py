"""Errors of the system name what was asked for, not the hidden place beside it, and leave nothing behind."""

import errno
import os

import pytest

from kinegraph.cli import main
from kinegraph.data.sources.recordings import check_readable
from kinegraph.whole import whole_file, whole_folder, write_whole


def test_a_file_in_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_whole(tmp_path / "none" / "result.pkl", b"scores")
    assert error.value.filename == str(tmp_path / "none" / "result.pkl")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_full_disk_says_where(tmp_path, whole, number):
    with pytest.raises(OSError, match="result") as error, whole(tmp_path / "result"):
        raise OSError(number, os.strerror(number))  # as a write does, which names no file
    assert error.value.filename == str(tmp_path / "result")
    assert not list(tmp_path.iterdir())


def test_a_file_inside_a_folder_is_named_by_its_place_to_be(tmp_path):
    with pytest.raises(FileNotFoundError) as error, whole_folder(tmp_path / "dataset") as unfinished:
        (unfinished / "deep" / "keypoint.npy").write_bytes(b"")
    assert error.value.filename == str(tmp_path / "dataset" / "deep" / "keypoint.npy")


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error, whole_file(tmp_path / "out.pkl"):
        (tmp_path / "in.npz").read_bytes()
    assert error.value.filename == str(tmp_path / "in.npz")


@pytest.fixture
def locked(tmp_path):
    """A folder that may not be looked into, in one that may."""
    folder = tmp_path / "raw" / "locked"
    folder.mkdir(parents=True)
    (tmp_path / "read only").mkdir(mode=0o555)
    folder.chmod(0)
    if os.access(folder, os.R_OK):
        pytest.skip("the superuser may look into every folder")
    yield folder
    folder.chmod(0o755)
    (tmp_path / "read only").chmod(0o755)


def test_a_folder_that_may_not_be_read_or_written_is_named(locked, tmp_path, capsys):
    with pytest.raises(PermissionError) as error:
        check_readable(locked.parent)
    assert error.value.filename == str(locked)
    for source in ("ntu60", "openpose", "npy", "babel"):
        assert main(["prepare", source, str(locked.parent), str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err == f"kinegraph: {locked}: permission denied\n"
    for out in (locked / "result.pkl", tmp_path / "read only" / "result.pkl"):
        with pytest.raises(PermissionError) as error:
            write_whole(out, b"scores")
        assert error.value.filename == str(out)
