"""`kinegraph stream`: frames from a file, a pipe and a socket; lines of JSON out; records; wrong input."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.formats.json_frame import Frame, Head, frame_line, head_line
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.weights import save_weights
from kinegraph.skeleton.layout import load_layout
from tests.inference.test_events import exercise
from tests.inference.test_stream import recording, weights, written


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return written(tmp_path_factory.mktemp("stream"))


def run(capsys, monkeypatch, *words: object, stdin: bytes = b"") -> tuple[int, list[dict], str]:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
    code = main(["stream", *map(str, words)])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_a_file_is_played(here, capsys, monkeypatch):
    """The lines say what a stream in Python says."""
    options = "--speed", 0, "--show", "answers", "--top", 2
    code, lines, err = run(capsys, monkeypatch, here / "w.safetensors", here / "two.jsonl", *options)
    assert code == 0
    assert "exact engine: an answer knows a frame 8 frames (0.3 s) later" in err
    (clip,) = kg.read(here / "two.jsonl")
    stream = kg.Stream(here / "w.safetensors", fps=30, people=2)
    expected = [it for frame in clip.keypoint.swapaxes(0, 1) for it in stream.push(frame, ids=["a", "b"]) if it.new]
    expected += stream.finish()
    assert len(lines) == len(expected) > 30
    for line, answer in zip(lines, expected, strict=True):
        assert (line["kind"], line["person"], line["frame"]) == ("answer", answer.person, answer.frame)
        assert (line["start"], line["stop"]) == (answer.start, answer.stop)
        assert line["frame_seconds"] == pytest.approx(answer.frame / 30, abs=1e-3)
        assert line["class"] == answer.prediction.class_name == line["top"][0]["class"]
        assert line["probability"] == pytest.approx(answer.prediction.probability, abs=1e-4)


def test_what_is_rather_none_of_the_classes_is_said(here, tmp_path, capsys, monkeypatch):
    known = kg.load_model(here / "w.safetensors").weights
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    extra = known.extra | {"least_probability": 0.9999}
    save_weights(tmp_path / "w.safetensors", known.model, **about, extra=extra)
    options = "--speed", 0, "--show", "answers"
    _, lines, err = run(capsys, monkeypatch, tmp_path / "w.safetensors", here / "two.jsonl", *options)
    assert {"known": False}.items() <= min(lines, key=lambda it: it["probability"]).items()
    assert "below 99.99% an answer of these weights is rather none of the classes, and events begin from 60%" in err
    assert "--enter 0.9999" in err
    _, lines, err = run(capsys, monkeypatch, here / "w.safetensors", here / "two.jsonl", *options)
    assert not any("known" in line for line in lines)
    assert "rather none" not in err


def test_a_recipe_that_resamples_answers_every_so_many_frames(tmp_path, capsys, monkeypatch):
    """As configs/small_data.yaml: the answers are those of `predict` for the latest frames, and the note says when."""
    known = weights(Preprocessing(people=1, normalize="sized", sampling="resample", frames=12, test_mirror=True))
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    save_weights(tmp_path / "w.safetensors", known.model, **about, extra={"training": {"frames": [10, 20, 30]}})
    clip = recording(40)
    lines = [
        head_line(Head(clip.layout, 30.0)),
        *(frame_line(Frame(pose[None], None, ("a",))) for pose in clip.keypoint[0]),
    ]
    content = "\n".join(lines).encode()
    for words, stride in (((), 3), (("--stride", "0.2s"), 6)):
        code, said, err = run(
            capsys, monkeypatch, tmp_path / "w.safetensors", "-", *words, "--show", "answers", stdin=content
        )
        assert code == 0
        assert f"window engine, an answer every {stride} frames ({stride / 30:.2g} s): sampling 'resample'" in err
        frames, last = [line["frame"] for line in said], said[-1]
        assert frames == sorted({*(frame for frame in range(9, 40) if frame % stride == 0), 39})
        latest = replace(clip, keypoint=clip.keypoint[:, last["start"] : last["stop"]])
        assert (last["start"], last["stop"]) == (20, 40)
        expected = kg.predict(tmp_path / "w.safetensors", latest, compare=False)
        assert (last["class"], last["probability"]) == (
            expected.class_name,
            pytest.approx(expected.probability, abs=1e-4),
        )


def test_lines_in_a_file_are_taken_as_those_of_a_pipe(tmp_path, capsys, monkeypatch):
    """Of a layout of one's own, which the lines do not name."""
    layout = replace(load_layout("ntu25"), name="own", joints=tuple(f"j{i}" for i in range(25)))
    known = weights(Preprocessing(people=1))
    about = {"layout": layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    save_weights(tmp_path / "w.safetensors", known.model, **about, extra={"training": {"frames": [5, 5, 5]}})
    frames = [Frame(pose[None], None, ("Ann",)) for pose in recording(20).keypoint[0]]
    (tmp_path / "own.jsonl").write_text("\n".join(map(frame_line, frames)))
    words = "--fps", 30, "--speed", 0
    code, lines, err = run(capsys, monkeypatch, tmp_path / "w.safetensors", tmp_path / "own.jsonl", *words)
    assert (code, {line["person"] for line in lines}) == (0, {"Ann"}), err
    content = (tmp_path / "own.jsonl").read_bytes()
    _, same, _ = run(capsys, monkeypatch, tmp_path / "w.safetensors", "-", *words, stdin=content)
    assert [line | {"recording": 0} for line in lines] == [line | {"recording": 0} for line in same]


def test_a_pipe_is_watched_and_recorded(here, tmp_path, capsys, monkeypatch):
    content = (here / "two.jsonl").read_bytes()
    words = here / "w.safetensors", "-", "--record", tmp_path / "r.jsonl"
    code, lines, _ = run(capsys, monkeypatch, *words, stdin=content)
    assert code == 0
    assert {line["person"] for line in lines} == {"a", "b"}
    assert (tmp_path / "r.jsonl").read_bytes() == content
    again = run(capsys, monkeypatch, here / "w.safetensors", "-", stdin=(tmp_path / "r.jsonl").read_bytes())
    assert again[1] == lines


def test_events_and_repetitions_are_said(here, capsys, monkeypatch):
    poses = exercise([40, 50, 45])
    lines = [frame_line(Frame(pose[None].astype(np.float32), None, None, t)) for t, pose in enumerate(poses)]
    options = "--count", "--fps", 30, "--enter", 0.3, "--least", 5, "--delay", 2, "--show", "events"
    code, found, _ = run(capsys, monkeypatch, here / "w.safetensors", "-", *options, stdin="\n".join(lines).encode())
    assert code == 0
    assert [it["count"] for it in found if it["kind"] == "repetition"] == [1, 2, 3]
    begun = [(it["class"], it["start"]) for it in found if it["kind"] == "begin"]
    assert begun
    assert begun == [(it["class"], it["start"]) for it in found if it["kind"] == "end"]


@pytest.mark.parametrize("listen", [False, True])
def test_a_socket(here, capsys, monkeypatch, listen):
    content = (here / "two.jsonl").read_bytes()
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    if listen:
        server.close()

    def send() -> None:
        if not listen:
            connection, _ = server.accept()
        while listen:
            try:
                connection = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                time.sleep(0.01)
        with connection:
            connection.sendall(content)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    words = here / "w.safetensors", f"tcp://127.0.0.1:{port}", *(["--listen"] if listen else [])
    code, lines, _ = run(capsys, monkeypatch, *words)
    sender.join()
    server.close()
    assert code == 0
    assert lines
    _, same, _ = run(capsys, monkeypatch, here / "w.safetensors", "-", stdin=content)
    assert [line | {"recording": 0} for line in lines] == [line | {"recording": 0} for line in same]


def test_a_connection_that_breaks_off_ends_events(here, capsys, monkeypatch):
    """As of a program that is killed."""
    good = (here / "two.jsonl").read_bytes().splitlines(keepends=True)

    class Broken(io.BytesIO):
        def readline(self, *size: int) -> bytes:
            if self.tell() >= sum(map(len, good[:30])):
                raise ConnectionResetError(104, "Connection reset by peer")
            return super().readline(*size)

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Broken(b"".join(good))))
    words = "--show", "events", "--enter", "0", "--leave", "0", "--least", "1"
    assert main(["stream", str(here / "w.safetensors"), "-", *words]) == 2
    out, err = capsys.readouterr()
    assert [json.loads(line)["end"] for line in out.splitlines() if '"kind": "end"' in line][-2:] == [29, 29]
    assert "standard input has broken off: Connection reset by peer" in err


def test_ctrl_c_keeps_what_was_recorded(here, tmp_path):
    command = [sys.executable, "-m", "kinegraph", "stream", here / "w.safetensors", "-", "--record", "r.jsonl"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as process:
        process.stdin.write((here / "two.jsonl").read_bytes())
        process.stdin.flush()
        for line in process.stdout:
            if b'"frame": 38' in line and b'"person": "b"' in line:  # of the last frame but one; it waits for more
                break
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)  # before its input ends, which would be another way to end
        _, err = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err
    kept = (tmp_path / "r.jsonl").read_bytes()
    assert (here / "two.jsonl").read_bytes().startswith(kept)
    assert kept.count(b"\n") >= 40  # complete lines: the head and 39 frames


FLAT = json.dumps({"people": [{"keypoint": [[1, 2]] * 25}]})


@pytest.mark.parametrize(
    ("stdin", "words", "message"),
    [
        ("nonsense", ["-"], "line 1 of standard input is not readable JSON"),
        (FLAT, ["-"], "xy without scores, the network wants"),
        (json.dumps({"people": [{"keypoint": [[1, 2, 3]] * 24}]}), ["-"], "has 24 joints, layout 'ntu25' has 25"),
        ('{"people": []}\n{"fps": 3}', ["-"], "line 2 of standard input says what holds for all frames"),
        ('{"frame": 5, "people": []}\n' * 2, ["-"], "line 2 of standard input is frame 5, the frame before is 5"),
        ("", ["nowhere.jsonl"], "there is no file or folder nowhere.jsonl"),
        ("", ["-", "--none", "sitt"], "no class of the network; did you mean 'sit'?"),
        ("", ["-", "--enter", "2"], "events begin at 2 and end at 1.33333, expected"),
        ("", ["-", "--window", "x"], "'x' is no length of time"),
        ("", ["-", "--record", "a.txt"], "expected a name that ends in .jsonl"),
        ("", ["two.jsonl", "--record", "a.jsonl"], "two.jsonl is a recording already"),
        ("", ["tcp://nothing"], "expected tcp://HOST:PORT"),
        ("", ["tcp://127.0.0.1:1"], "cannot be reached"),
        ("", ["two.jsonl", "--listen"], "--listen is for a source such as tcp://"),
        ("", ["two.jsonl", "--speed", "-1"], "--speed is -1.0"),
        ("", ["two.jsonl", "--people", "0"], "people"),
    ],
)
def test_wrong_input_is_one_line(here, capsys, monkeypatch, stdin, words, message):
    monkeypatch.chdir(here)
    code, _, err = run(capsys, monkeypatch, "w.safetensors", *words, stdin=stdin.encode())
    lines = [line for line in err.splitlines() if not line.startswith("note:")]
    assert code == 2
    assert len(lines) == 1
    assert message in lines[0]
    assert not (here / "a.jsonl").exists()


@pytest.mark.parametrize(
    ("stdin", "said"), [("", "no frame came"), ('{"people": []}\n' * 2, "2 frames without anybody")]
)
def test_a_stream_without_anybody_says_so(here, capsys, monkeypatch, stdin, said):
    code, lines, err = run(capsys, monkeypatch, here / "w.safetensors", "-", stdin=stdin.encode())
    assert (code, lines, err) == (0, [], f"note: standard input: {said}, so there is no answer\n")


def test_broken_lines_are_left_out_on_request(here, capsys, monkeypatch):
    good = (here / "two.jsonl").read_text().splitlines()
    broken = "\n".join([*good[:20], "{", *good[20:]])
    code, lines, err = run(capsys, monkeypatch, here / "w.safetensors", "-", "--skip-broken", stdin=broken.encode())
    assert code == 0
    assert "skipped: line 21 of standard input is not readable JSON" in err
    _, same, _ = run(capsys, monkeypatch, here / "w.safetensors", "-", stdin="\n".join(good).encode())
    assert lines == same


def test_an_error_ends_events_and_many_broken_lines_are_counted(here, capsys, monkeypatch):
    good = (here / "two.jsonl").read_text().splitlines()
    broken = "\n".join([*good[:30], *["{"] * 15, *good[30:]]).encode()
    words = here / "w.safetensors", "-", "--show", "events", "--enter", 0, "--leave", 0, "--least", 1
    code, lines, _ = run(capsys, monkeypatch, *words, stdin=broken)
    assert (code, [line["end"] for line in lines if line["kind"] == "end"][-2:]) == (2, [29, 29])
    code, _, err = run(capsys, monkeypatch, *words, "--skip-broken", stdin=broken)
    assert (code, err.count("is not readable JSON")) == (0, 10)
    assert "skipped: 15 lines in all" in err


def test_the_table_of_a_terminal_stays_when_the_stream_ends(here, capsys, monkeypatch):
    """And names of people from elsewhere do nothing to the terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(
        sys,
        "stdin",
        SimpleNamespace(buffer=io.BytesIO((here / "two.jsonl").read_bytes().replace(b'"a"', b'"a\\u001b]2;x"'))),
    )
    options = "--enter", "0", "--leave", "0", "--least", "1"
    assert main(["stream", str(here / "w.safetensors"), "-", *options]) == 0
    out = capsys.readouterr().out
    assert "-0.0 s" not in out
    assert out.count("1.3 s") >= 2  # of the last table, and of the events
    assert "person a" in out
    assert "\x1b]" not in out


def test_people_who_are_not_followed_are_said(here, capsys, monkeypatch):
    _, lines, err = run(capsys, monkeypatch, here / "w.safetensors", here / "two.jsonl", "--speed", 0, "--people", 1)
    assert {line["person"] for line in lines} == {"a"}
    assert err.count("frame 0 has 2 people, one is followed: --people 2 follows all") == 1


def test_a_program_that_begins_again_goes_on_where_broken_lines_are_left_out(here, capsys, monkeypatch):
    lines = (here / "two.jsonl").read_text().splitlines()
    words = here / "w.safetensors", "-", "--skip-broken", "--show", "answers"
    code, found, err = run(capsys, monkeypatch, *words, stdin="\n".join([*lines, *lines]).encode())
    assert (code, found[-1]["frame"]) == (
        0,
        40 + 40 - 9 - 1,
    )  # ten lines show that numbers count up, the tenth is taken
    assert "line 52 of standard input is frame 9: the program counts anew since frame 0" in err


def test_units_and_the_vertical_of_a_program(here, capsys, monkeypatch):
    """Millimetres with z upward, as of a robot; the network wants metres with y upward."""
    head, *lines = map(json.loads, (here / "two.jsonl").read_text().splitlines())
    said = [json.dumps(head)]
    for line in lines:
        people = [
            person | {"keypoint": [[1e3 * x, -1e3 * z, 1e3 * y] for x, y, z in person["keypoint"]]}
            for person in line["people"]
        ]
        said.append(json.dumps(line | {"people": people}))
    words = here / "w.safetensors", "-", "--show", "answers"
    _, expected, _ = run(capsys, monkeypatch, *words, stdin=(here / "two.jsonl").read_bytes())
    code, found, _ = run(capsys, monkeypatch, *words, "--units", "mm", "--up", "z", stdin="\n".join(said).encode())
    assert code == 0
    for line, same in zip(found, expected, strict=True):
        assert line == same | {"probability": pytest.approx(same["probability"], abs=1e-3)}


def test_what_one_frame_says_of_the_recording_counts_and_late_frames_are_left_out_on_request(here, capsys, monkeypatch):
    lines = (here / "two.jsonl").read_text().splitlines()[1:]
    first = json.dumps(json.loads(lines[0]) | {"fps": 15})
    stdin = "\n".join([first, *lines[1:5], lines[2], *lines[5:]]).encode()
    words = here / "w.safetensors", "-", "--skip-broken", "--show", "answers"
    code, found, err = run(capsys, monkeypatch, *words, stdin=stdin)
    assert code == 0
    assert "line 6 of standard input is frame 2, the frame before is 4" in err
    assert "does not say its frame rate" not in err
    assert (found[-1]["frame"], found[-1]["frame_seconds"]) == (39, 2.6)


@pytest.mark.parametrize(
    ("nameless", "note", "persons"),
    [
        (slice(20, 25), "people of frame 20 have no ids, those before have", {"a", "b"}),
        (slice(0, 5), "people have ids from frame 5 on", {1, 2}),
    ],
)
def test_a_tracker_that_leaves_ids_out_ends_no_stream(here, capsys, monkeypatch, nameless, note, persons):
    lines = [json.loads(line) for line in (here / "two.jsonl").read_text().splitlines()]
    for line in lines[1:][nameless]:
        for one in line["people"]:
            del one["id"]
    stdin = "\n".join(map(json.dumps, lines)).encode()
    code, found, err = run(capsys, monkeypatch, here / "w.safetensors", "-", "--show", "answers", stdin=stdin)
    assert code == 0
    assert err.count(note) == 1
    assert {it["person"] for it in found} == persons
    assert found[-1]["frame"] == 39


def test_numbers_that_are_milliseconds_are_said(here, capsys, monkeypatch):
    lines = [json.loads(line) for line in (here / "two.jsonl").read_text().splitlines()]
    stdin = "\n".join(json.dumps(it | {"frame": 33 * it.get("frame", 0)}) for it in lines[1:]).encode()
    _, _, err = run(capsys, monkeypatch, here / "w.safetensors", "-", stdin=stdin)
    assert err.count("frames are numbered 33 or more apart") == 1


def test_mediapipe_needs_the_size_of_the_picture(tmp_path, capsys, monkeypatch):
    layout = load_layout("coco17")
    known = weights(Preprocessing(people=1, normalize="image"), "coco17", scored=True)
    about = {"class_names": known.class_names, "preprocessing": known.preprocessing}
    save_weights(
        tmp_path / "w.safetensors", known.model, layout=layout, **about, extra={"training": {"frames": [5, 5, 5]}}
    )
    points = [{"x": 0.4 + 0.005 * j, "y": 0.5 + 0.01 * (j % 5), "z": 0.0, "visibility": 0.9} for j in range(33)]
    content = "\n".join([json.dumps({"landmarks": [points]})] * 30).encode()
    words = tmp_path / "w.safetensors", "-", "--map-layout"
    code, _, err = run(capsys, monkeypatch, *words, stdin=content)
    assert code == 2
    assert "fractions of a picture: give --image-size" in err
    code, lines, err = run(capsys, monkeypatch, *words, "--image-size", "640x480", stdin=content)
    assert code == 0
    assert lines
    assert "outside" not in err
    _, _, err = run(
        capsys, monkeypatch, *words, "--image-size", "640x480", stdin=content.replace(b'"x": 0.4', b'"x": 1.4')
    )
    assert err.count("joints are far outside of the picture") == 1
