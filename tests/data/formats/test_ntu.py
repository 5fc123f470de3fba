"""Raw NTU files: bodies as the published programs read them, faults by line, nothing lost on the way.

golden/ntu_raw.zip holds synthetic raw files; golden/ntu.npz what published programs make of them: `energy_selected` the
converter of 2s-AGCN as MMAction2 0.x has it (300 frames, the first 50 kept here), `tracked/...` PYSKL's ntu_preproc.py.
"""

import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.formats import ntu, ntu_scan
from kinegraph.data.formats.ntu_text import _careful, _fast, parse_bodies
from kinegraph.data.read import read, recordings
from kinegraph.data.reading.clips.published_names import missing_skeletons, ntu_class_names

read_ntu = partial(read, format="ntu")

GOLDEN = Path(__file__).parents[2] / "golden"
NAME = "S001C001P001R001A001"
ONE_PERSON = [f"{0.1 * joint:g} {5e-05 * joint:g} -2.5 1 2 3 4 0.1 0.2 0.3 -0.4 2" for joint in range(25)]


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "ntu.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ntu_raw")
    zipfile.ZipFile(GOLDEN / "ntu_raw.zip").extractall(folder)
    return folder


def lines_of(bodies_a_frame=(1, 0, 2)) -> list[str]:
    """A small good file."""
    lines = [str(len(bodies_a_frame))]
    for bodies in bodies_a_frame:
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"7205759403793110{body} 0 1 1 1 1 0 0.02 -0.7 2", "25", *ONE_PERSON]
    return lines


def write(folder: Path, lines: list[str], name: str = NAME, end: str = "\r\n") -> Path:
    file = folder / f"{name}.skeleton"
    file.write_bytes("".join(line + end for line in lines).encode())
    return file


# ---- published results -----------------------------------------------------------------------------------------------


def test_tracked_bodies_are_those_of_pyskl(raw, golden):
    clips = list(read_ntu(raw, classes=120))
    assert [clip.name for clip in clips] == list(golden["names"])
    for clip in clips:
        np.testing.assert_array_equal(clip.keypoint, golden[f"tracked/{clip.name}"])
        assert clip.keypoint.dtype == np.float32


def test_energetic_bodies_are_those_of_the_published_converter(raw, golden):
    for clip, expected, frames in zip(
        read_ntu(raw, bodies="energy", classes=120), golden["energy_selected"], golden["total_frames"], strict=True
    ):
        assert clip.frames == frames
        padded = np.zeros((2, 50, 25, 3), np.float32)  # a person who is never there is not in the clip
        padded[: clip.people, : clip.frames] = clip.keypoint
        np.testing.assert_array_equal(padded, expected.transpose(3, 1, 2, 0))


def test_lf_reads_as_crlf(raw, tmp_path, golden):
    for file in raw.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"\r\n", b"\n"))
    for clip in read_ntu(tmp_path, classes=120):
        np.testing.assert_array_equal(clip.keypoint, golden[f"tracked/{clip.name}"])


@pytest.mark.parametrize("fast", [_fast, ntu_scan.fast])
def test_fast_readers_take_published_form_and_agree_with_the_careful_one(raw, fast):
    data = (raw / "S005C003P009R001A060.skeleton").read_bytes()
    same_bodies(fast(data), _careful(data))
    assert max(fast(data).ids) > 2**53


@settings(max_examples=50)
@given(st.lists(st.floats(-1e5, 1e5), min_size=3, max_size=3), st.sampled_from(["%.7g", "%r", "%.12f", "%+.3f", "%e"]))
def test_numbers_are_rounded_as_python_rounds_them(numbers, form):
    lines = lines_of([1])
    written = [form % number for number in numbers]
    lines[4] = " ".join(written) + " 1 2 3 4 0.1 0.2 0.3 -0.4 2"
    for fast in (_fast, ntu_scan.fast):
        joints = fast("\n".join(lines).encode()).joints
        assert joints[0, 0].tolist() == [float(number) for number in written]


def same_bodies(one, other):
    assert (one.frames, one.ids, one.frame.tolist()) == (other.frames, other.ids, other.frame.tolist())
    assert one.joints.tobytes() == other.joints.tobytes()


# ---- names, splits, lists --------------------------------------------------------------------------------------------


def test_labels_attributes_and_splits(raw):
    by_name = {clip.name: clip for clip in read_ntu(raw, classes=60)}
    clip = by_name["S002C003P003R002A055"]
    assert (clip.label, clip.fps, clip.layout.name) == (54, 30, "ntu25")
    assert clip.attributes == {"setup": 2, "camera": 3, "subject": 3, "replication": 2, "action": 55}
    assert clip.splits == {"xsub": "val", "xview": "train"}
    clip = next(c for c in read_ntu(raw, classes=120) if c.name == "S006C001P045R001A061")
    assert clip.splits == {"xsub": "train", "xset": "train"}


def test_published_facts():
    assert len(ntu.TRAIN_SUBJECTS_60) == 20
    assert len(ntu.TRAIN_SUBJECTS_120) == 53
    assert len(ntu_class_names(60)) == 60
    names = ntu_class_names(120)
    assert (len(set(names)), names[0], names[57]) == (120, "drink water", "handshaking")
    missing = [ntu.name_numbers(name) for name in missing_skeletons()]
    assert (len(missing), sum(numbers["action"] <= 60 for numbers in missing)) == (535, 302)


def test_files_left_out_are_reported(raw, tmp_path):
    listed = sorted(missing_skeletons())[0]
    for name in (listed, NAME, "S001C001P001R001A061"):
        write(tmp_path, lines_of(), name)
    found = recordings(tmp_path, classes=60)
    assert found.count == 1  # known before anything is read
    assert [clip.name for clip in found.clips] == [NAME]
    missing, others = found.skipped()
    assert missing.startswith("1 on the published list of missing skeletons")
    assert others == "1 of actions that NTU RGB+D 60 does not have"
    assert len(recordings(tmp_path).class_names) == 120  # as its names need
    assert {clip.name for clip in read_ntu(tmp_path, classes=60, keep_missing=True)} == {listed, NAME}


def test_workers_change_nothing(raw, tmp_path):
    texts = [file.read_bytes() for file in sorted(raw.iterdir())[:3]]
    for i in range(40):
        (tmp_path / f"S001C001P{i + 1:03d}R001A001.skeleton").write_bytes(texts[i % 3] if i != 13 else b"31\r\n")
    one, two = (recordings(tmp_path, on_fault="skip", workers=workers) for workers in (1, 2))
    alone, shared = list(one.clips), list(two.clips)
    assert [clip.name for clip in shared] == [clip.name for clip in alone]
    assert all((a.keypoint == b.keypoint).all() for a, b in zip(alone, shared, strict=True))
    assert one.skipped() == two.skipped()
    assert (len(alone), len(one.skipped())) == (39, 1)


def test_a_regular_file_with_odd_numbers_is_read_fast():
    """The camera writes -inf and nan where a joint falls outside its depth image."""
    data = "\n".join(changed(7, "0.1 1e-05 2 -inf nan 3.00000000000000000001 4 5 6 7 8 2")).encode()
    for fast in (_fast, ntu_scan.fast):
        same_bodies(fast(data), _careful(data))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks in /proc whether processes run")
def test_workers_end_with_a_killed_parent(tmp_path):
    for i in range(64):
        write(tmp_path, lines_of([1] * 30), f"S001C001P{i + 1:03d}R001A001")
    program = (
        "import multiprocessing, time\n"
        "from kinegraph.data.read import read\n"
        "if __name__ == '__main__':\n"
        f"    clips = read({str(tmp_path)!r}, workers=2); next(clips)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True); time.sleep(600)\n"
    )
    (tmp_path / "program.py").write_text(program)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "program.py")], stdout=subprocess.PIPE, text=True)
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert len(workers) == 2
    for _ in range(300):
        if not any(runs(pid) for pid in workers):
            return
        time.sleep(0.1)
    raise AssertionError("the workers of a killed process still run after 30 s")


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"  # nobody may have reaped it
    except OSError:
        return False


# ---- whose bodies ----------------------------------------------------------------------------------------------------


def test_when_every_body_is_short_the_rule_is_not_applied(tmp_path):
    (clip,) = read_ntu(write(tmp_path, lines_of([2, 0, 1])))
    assert (clip.people, clip.frames) == (2, 2)  # the frame without bodies is gone


def test_people_who_never_meet_become_one_person(tmp_path):
    lines = lines_of([1] * 30)
    for frame in range(15, 30):
        lines[2 + 28 * frame] = lines[2].replace("72", "99", 1)  # another id from frame 15 on
    (clip,) = read_ntu(write(tmp_path, lines))
    assert (clip.people, clip.frames) == (1, 30)
    assert clip.keypoint.any((2, 3)).all()


# ---- faults ----------------------------------------------------------------------------------------------------------


def changed(line: int, text: str | None, bodies_a_frame=(1, 0, 2)) -> list[str]:
    """The small good file with one line, counted from 1, replaced or taken out."""
    lines = lines_of(bodies_a_frame)
    lines[line - 1 : line] = [] if text is None else [text]
    return lines


FAULTS = {
    "empty": ([], "line 1: the file is empty"),
    "blank": (["", ""], "line 1: the file is empty"),
    "truncated in a body": (
        lines_of()[:20],
        "line 21: the file ends here, expected joint 17 of body 1 of 1 in frame 1",
    ),
    "truncated in a line": ([*lines_of()[:20], "0.1 0.2"], "line 21: 2 values, expected 12, in joint 17 of body 1"),
    "no more frames": (lines_of()[:29], "line 30: the file ends here, expected the number of bodies in frame 2 of 3"),
    "goes on": ([*lines_of(), "1"], "line 86: the file goes on after the last of its 3 frames"),
    "24 joints": (changed(4, "24"), "line 4: body 1 of 1 in frame 1 of 3 has 24 joints, expected 25"),
    "a joint missing": (changed(28, None), "line 29: 1 values, expected 12"),
    "letters": (changed(7, "0.1 abc 2 1 2 3 4 5 6 7 8 2"), "line 7: 'abc' is not a number"),
    "letters in values not used": (changed(7, "0.1 1 2 1 2 3 4 5 6 7 8 two"), "line 7: 'two' is not a number"),
    "two points": (changed(7, "0.1 1 2 1 2 3 4 5 6.6.6 7 8 2"), "line 7: '6.6.6' is not a number"),
    "13 values": (changed(7, "0.1 1 2 1 2 3 4 5 6 7 8 2 2"), "line 7: 13 values, expected 12"),
    "nan": (changed(7, "0.1 nan 2 1 2 3 4 5 6 7 8 2"), "line 7: nan is not a coordinate in metres"),
    "infinite": (changed(7, "0.1 1 1e400 1 2 3 4 5 6 7 8 2"), "line 7: inf is not a coordinate in metres"),
    "a body of 9 values": (changed(3, "7 0 1 1 1 1 0 0.02 -0.7"), "line 3: 9 values, expected 10"),
    "id with a point": (changed(3, "7.5 0 1 1 1 1 0 0.02 -0.7 2"), "line 3: '7.5' is not the id of a body"),
    "id with an exponent": (changed(3, "7e4 0 1 1 1 1 0 0.02 -0.7 2"), "line 3: '7e4' is not the id of a body"),
    "negative bodies": (changed(2, "-1"), "line 2: '-1' is not the number of bodies in frame 1 of 3"),
    "10^12 frames": (changed(1, "1000000000000"), "line 86: the file ends here"),
    "10^12 bodies": (changed(2, "1000000000000"), "line 30: 1 values, expected 10"),
    "absurd count": (changed(1, "9" * 5000), "line 1: '9999"),
    "bytes": (["\x00\x80"], "line 1: '\\x00\\xc2\\x80' is not a number"),
    "nobody": (["2", "0", "0"], "nobody is in any of its 2 frames"),
    "all zero": (["1", "1", "7 0 1 1 1 1 0 0 0 2", "25", *["0 " * 11 + "0"] * 25], "every joint of every body is zero"),
}


@pytest.mark.parametrize("bodies", ["tracked", "energy"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_file_stops_or_is_listed(tmp_path, fault, bodies):
    lines, reason = FAULTS[fault]
    file = write(tmp_path, lines)
    with pytest.raises(ValueError) as stopped:
        list(read_ntu(tmp_path, bodies=bodies))
    assert str(stopped.value).startswith(f"{file}: {reason}")
    assert "\n" not in str(stopped.value)

    good = write(tmp_path, lines_of(), "S001C001P001R001A002")
    found = recordings(tmp_path, bodies=bodies, on_fault="skip")
    assert [clip.name for clip in found.clips] == [good.stem]
    (skipped,) = found.skipped()
    assert skipped.startswith(f"broken: {file}: {reason}")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("S001C001P001R001A121", "has action 121; there are 120"), ("S001C001P000R001A001", "has subject 0")],
)
def test_a_wrong_name_is_a_fault(tmp_path, name, reason):
    write(tmp_path, lines_of(), name)
    with pytest.raises(ValueError, match=reason):
        list(read_ntu(tmp_path))


def test_names_of_another_form_have_no_label_and_stand_alone(tmp_path):
    write(tmp_path, lines_of(), "walk")
    (clip,) = read_ntu(tmp_path)
    assert (clip.name, clip.label, clip.splits) == ("walk", None, {})
    write(tmp_path, lines_of(), NAME)
    with pytest.raises(ValueError, match="'walk' is not of the form S001C002P003R002A013"):
        list(read_ntu(tmp_path))


def test_a_folder_named_as_a_file_is_none(tmp_path):
    (tmp_path / f"{NAME}.skeleton").mkdir()
    with pytest.raises(ValueError, match=r"there is no \.skeleton file"):
        list(read_ntu(tmp_path))


def test_a_name_that_comes_twice_is_a_fault(tmp_path):
    (tmp_path / "copy").mkdir()
    write(tmp_path, lines_of())
    write(tmp_path / "copy", lines_of())
    with pytest.raises(ValueError, match="a sample of this name was read from"):
        list(read_ntu(tmp_path))


def test_wrong_arguments_are_named_at_once(tmp_path):
    for arguments, reason in (
        ({"path": tmp_path / "nowhere"}, "there is no file or folder"),
        ({"path": tmp_path}, "there is no .skeleton file in"),
        ({"path": tmp_path, "bodies": "all"}, "--bodies 'all' is not for ntu, expected tracked or energy"),
        ({"path": tmp_path, "classes": 61}, "60 or 120 classes, not 61"),
        ({"path": tmp_path, "workers": 0}, "0 workers cannot read anything"),
    ):
        with pytest.raises(ValueError, match=reason):
            read_ntu(**arguments)


def test_values_that_are_not_used_may_be_infinite(tmp_path):
    """The camera writes so where a joint falls outside its depth image."""
    (clip,) = read_ntu(write(tmp_path, changed(7, "0.1 1 2 -inf nan 3 4 5 6 7 8 2")))
    np.testing.assert_array_equal(clip.keypoint[0, 0, 2], np.float32([0.1, 1, 2]))


GOOD = "".join(line + "\r\n" for line in lines_of()).encode()


@settings(max_examples=150)
@given(st.data())
def test_damage_is_noticed_or_harmless(data):
    """Whatever happens to a file, the fast readers take only what the careful one takes, and as it takes it."""
    at = data.draw(st.integers(0, len(GOOD) - 1))
    damage = data.draw(st.sampled_from(["change", "insert", "remove", "cut", "double line", "drop line", "blank"]))
    byte = data.draw(st.sampled_from([*b"0123456789.-+eE \r\n\t_nif\x00\xff"]).map(lambda value: bytes([value])))
    line_end = GOOD.find(b"\n", at) + 1
    line_start = GOOD.rfind(b"\n", 0, at) + 1
    damaged = {
        "change": GOOD[:at] + byte + GOOD[at + 1 :],
        "insert": GOOD[:at] + byte + GOOD[at:],
        "remove": GOOD[:at] + GOOD[at + data.draw(st.integers(1, 60)) :],
        "cut": GOOD[:at],
        "double line": GOOD[:line_end] + GOOD[line_start:],
        "drop line": GOOD[:line_start] + GOOD[line_end:],
        "blank": GOOD[:line_start] + b"\r\n" * 90,
    }[damage]
    try:
        careful = _careful(damaged)
    except ValueError:
        assert _fast(damaged) is None
        assert ntu_scan.fast(damaged) is None
        with pytest.raises(ValueError, match=r"^line \d+: [^\n]*$"):
            parse_bodies(damaged)
    else:
        bodies = parse_bodies(damaged)
        same_bodies(bodies, careful)
        same_bodies(ntu_scan.parse_bodies(damaged), careful)
        if bodies.ids:
            assert ntu.tracked_bodies(bodies).shape[2:] == ntu.energetic_bodies(bodies).shape[2:] == (25, 3)
