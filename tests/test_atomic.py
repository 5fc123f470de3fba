"""Errors of the system name what was asked for, not the hidden place beside it, and leave nothing behind."""

import errno
import os
import subprocess
import sys

import pytest

from kinegraph.atomic import atomic_file, atomic_folder, write_atomic
from kinegraph.cli import main
from kinegraph.data.reading.clips.recordings import check_readable
from tests.data import faulty


def test_a_file_in_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_atomic(tmp_path / "none" / "result.pkl", b"scores")
    assert error.value.filename == str(tmp_path / "none" / "result.pkl")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("whole", [atomic_file, atomic_folder])
def test_a_full_disk_says_where(tmp_path, whole, number):
    with pytest.raises(OSError, match="result") as error, whole(tmp_path / "result"):
        raise OSError(number, os.strerror(number))  # as a write does, which names no file
    assert error.value.filename == str(tmp_path / "result")
    assert not list(tmp_path.iterdir())


def test_a_file_inside_a_folder_is_named_by_its_place_to_be(tmp_path):
    with pytest.raises(FileNotFoundError) as error, atomic_folder(tmp_path / "dataset") as unfinished:
        (unfinished / "deep" / "keypoint.npy").write_bytes(b"")
    assert error.value.filename == str(tmp_path / "dataset" / "deep" / "keypoint.npy")


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error, atomic_file(tmp_path / "out.pkl"):
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
            write_atomic(out, b"scores")
        assert error.value.filename == str(out)


def test_what_killed_processes_left_is_cleared_away_and_nothing_else(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    with atomic_file(tmp_path / "result.pkl") as unfinished:
        unfinished.write_bytes(b"mine")
        mine = unfinished.name
        for pid in (ended.pid, os.getppid()):
            (tmp_path / mine.replace(f"-{os.getpid()}-", f"-{pid}-")).write_bytes(b"half")
        write_atomic(tmp_path / "result.pkl", b"another's")
        left = sorted(path.name for path in tmp_path.iterdir())
        assert left == sorted([mine, mine.replace(f"-{os.getpid()}-", f"-{os.getppid()}-"), "result.pkl"])
    assert (tmp_path / "result.pkl").read_bytes() == b"mine"


@pytest.mark.parametrize("letter", "aé日𝄞")
def test_a_name_as_long_as_the_disk_takes_can_be_written(tmp_path, letter):
    name = letter * (251 // len(letter.encode()))
    write_atomic(tmp_path / f"{name}.csv", b"scores")
    with atomic_folder(tmp_path / name) as folder:
        (folder / "clips.csv").write_bytes(b"")
    assert sorted(it.name for it in tmp_path.iterdir()) == [name, f"{name}.csv"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is a moment without it")
def not_empty(*_):
    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))


def test_a_folder_is_replaced_without_a_moment_when_it_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "rename", not_empty)  # a second one would be a moment without
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").touch()
    with atomic_folder(tmp_path / "set", replaceable=lambda path: None) as folder:
        (folder / "clips.csv").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert (tmp_path / "set" / "clips.csv").read_text() == "new"


def test_a_folder_that_appeared_meanwhile_is_kept(tmp_path):
    def written_too_late():
        with atomic_folder(tmp_path / "set") as new:
            (new / "mine").touch()
            (tmp_path / "set").mkdir()
            (tmp_path / "set" / "of somebody else").touch()

    with pytest.raises(ValueError, match="appeared while it was being written"):
        written_too_late()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["of somebody else"]


def test_of_two_that_write_one_folder_one_is_told(tmp_path):
    """Two `prepare` at once into one place: one has it, the other says so."""
    faulty.npz(tmp_path, faulty.recordings())
    command = [sys.executable, "-m", "kinegraph", "prepare", str(tmp_path / "own.npz"), str(tmp_path / "set")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    assert "exists; remove it, choose another place or give --overwrite" in "".join(errors)
    assert main(["inspect", str(tmp_path / "set")]) == 0
