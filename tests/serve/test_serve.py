"""`kinegraph serve`: recordings and frames over HTTP and a socket; who may ask; wrong input."""

import asyncio
import json
import socket
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.answers import answers
from kinegraph.inference.inputs import Question
from kinegraph.inference.predictor import predictor_of
from kinegraph.serve import recordings
from tests.inference.test_stream import recording, weights, written

pytest.importorskip("httpx")
testclient = pytest.importorskip("starlette.testclient")

from kinegraph.inference.streaming.session import Session  # noqa: E402
from kinegraph.models.weights import load_weights, save_weights  # noqa: E402
from kinegraph.serve import app  # noqa: E402
from kinegraph.serve.app import Server, app_of  # noqa: E402
from kinegraph.serve.guard import Guard  # noqa: E402
from kinegraph.serve.jobs import Jobs  # noqa: E402
from kinegraph.serve.run import computed_by  # noqa: E402
from kinegraph.serve.streams import StreamAsking, Viewer  # noqa: E402


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return written(tmp_path_factory.mktemp("serve"))


def server_of(folder: Path, engine: str = "torch", **changes) -> Server:
    known = load_weights(folder / "w.safetensors")

    def make(asking: StreamAsking) -> Session:
        return Session(
            known, people=asking.people, window=None, stride=None, gap=None, engine="auto", enter=0.3, leave=None,
            least="0.2s", delay="0.1s", none=None, count=asking.count, layout=asking.layout, fps=asking.fps,
            image_size=asking.image_size, map_layout=asking.map_layout, device="cpu", note=print,
        )  # fmt: skip

    jobs = Jobs(recordings.work, (str(folder / "w.safetensors"), "cpu", engine, [], None), seconds=60)
    return Server(
        known, "w", make, jobs, "no estimator here", **{"max_upload": 1_000_000, "names": ("lab.example",)} | changes
    )


@pytest.fixture(scope="module")
def client(here):
    with testclient.TestClient(app_of(server_of(here)), headers={"Host": "localhost:8000"}) as client:
        yield client


# ---- recordings ------------------------------------------------------------------------------------------------------


def test_a_file_is_answered_as_predict_answers(here, client):
    clip = recording(40, people=2)
    expected = kg.predict(here / "w.safetensors", clip).top(2)
    answer = client.post("/predict?name=two.jsonl&top=2", content=(here / "two.jsonl").read_bytes())
    assert answer.status_code == 200
    (row,) = answer.json()["answers"]
    assert (row["first_frame"], row["end_frame"], row["end_seconds"]) == (0, 40, pytest.approx(40 / 30, abs=1e-3))
    assert (row["known"], row["repetitions"]) == (True, None)
    assert [it["class"] for it in row["top"]] == [name for name, _ in expected]
    np.testing.assert_allclose([it["probability"] for it in row["top"]], [p for _, p in expected], atol=1e-5)


def test_an_upload_that_still_comes_is_counted(here, monkeypatch):
    server, received, others = server_of(here), app._received, []
    server.jobs.waiting = 1
    content = (here / "two.jsonl").read_bytes()

    async def slowly(*arguments) -> bool:
        others.append(await asyncio.to_thread(client.post, "/predict?name=two.jsonl", content=content))
        return await received(*arguments)

    monkeypatch.setattr(app, "_received", slowly)
    with testclient.TestClient(app_of(server), headers={"Host": "localhost:8000"}) as client:
        for _ in range(2):  # the place is given back
            assert client.post("/predict?name=two.jsonl", content=content).status_code == 200
    assert [other.status_code for other in others] == [503, 503]
    assert "1 recordings wait or are uploaded already" in others[0].json()["error"]


def test_repetitions_are_counted_where_they_are_asked_for(client):
    """Four times up and down in four seconds."""
    body = np.random.default_rng(0).normal(0, 0.3, (25, 3)) + np.zeros((120, 1, 1))
    body[..., 1] += 0.4 * (1 - np.cos(np.arange(120) * 2 * np.pi / 30))[:, None] * np.linspace(0, 1, 25)
    (row,) = client.post("/predict?count=1", json={"keypoint": body.tolist(), "fps": 30}).json()["answers"]
    assert row["repetitions"] == 4


def test_another_engine_answers_recordings_and_the_windows_of_streams(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    known = weights(
        Preprocessing(people=1, sampling="resample", frames=16), extra={"training": {"frames": [10, 20, 30]}}
    )
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    save_weights(tmp_path / "w.safetensors", known.model, **about, extra=known.extra)
    clip, said = recording(40), list[str]()
    streamed = computed_by(load_weights(tmp_path / "w.safetensors"), "cpu", "onnxruntime", said.append)
    assert (type(streamed).__name__, said) == ("Exported", [])
    answers = [
        [it.push(pose) for pose in clip.keypoint[0]] for it in (kg.Stream(known, fps=30), kg.Stream(streamed, fps=30))
    ]
    one, other = ([it.prediction.probabilities for frame in found for it in frame] for found in answers)
    assert len(one) == len(other) > 10
    np.testing.assert_allclose(other, one, atol=1e-5)
    with testclient.TestClient(
        app_of(server_of(tmp_path, engine="onnxruntime")), headers={"Host": "localhost:8000"}
    ) as client:
        (row,) = client.post("/predict?top=1", json={"keypoint": clip.keypoint[0].tolist(), "fps": 30}).json()[
            "answers"
        ]
    assert row["top"][0]["probability"] == pytest.approx(kg.predict(known, clip).probability, abs=1e-5)


def test_streams_of_the_exact_engine_stay_with_torch(here, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    known, said = load_weights(here / "w.safetensors"), list[str]()
    assert computed_by(known, "cpu", "auto", said.append) is known
    assert said[-1] == "engine: streams are computed by torch, each frame once"


def test_a_clip_as_json_is_answered(here, client):
    clip = recording(20)
    content = {"keypoint": clip.keypoint[0].tolist(), "fps": 30}
    (row,) = client.post("/predict?top=1", json=content).json()["answers"]
    assert row["top"][0]["class"] == kg.predict(here / "w.safetensors", clip).class_name


def test_each_person_and_a_timeline(here, client):
    content = (here / "two.jsonl").read_bytes()
    rows = client.post("/predict?name=two.jsonl&per_person=1", content=content).json()["answers"]
    assert [row["person"] for row in rows] == [1, 2]
    answer = client.post("/predict?name=two.jsonl&window=auto&player=1", content=content).json()
    assert "kg-player" in answer["player"]
    assert answer["answers"][-1]["end_frame"] == 40


@pytest.mark.parametrize("several", [False, True])
def test_a_network_of_frames_answers_for_every_frame_of_a_long_recording(tmp_path, several):
    steps = Preprocessing(people=1, normalize="none", sampling="window", frames=16)
    training = {"task": "frames", "several": several, "frames": [16, 16, 16]}
    model, clip = predictor_of(weights(steps, extra={"training": training})), recording(80)
    (tmp_path / recordings.CLIP).write_text(json.dumps({"keypoint": clip.keypoint[0].tolist(), "fps": 30}))
    found = recordings.answered(model, tmp_path / recordings.CLIP, "clip", recordings.Asking(window="auto"))
    expected = answers(model, [Question(clip)])
    assert [(it["first_frame"], it["end_frame"]) for it in found["answers"]] == [(it.start, it.stop) for it in expected]


def test_a_file_of_several_clips_is_answered_clip_by_clip(client):
    clips = [recording(20, seed=seed).keypoint[0] for seed in range(3)]
    columns = [f"{name}_{axis}" for name in kg.load_layout("ntu25").joints for axis in "xyz"]
    rows = [
        f"{number},{frame},{','.join(map(str, pose.reshape(-1)))}"
        for number, clip in enumerate(clips)
        for frame, pose in enumerate(clip)
    ]
    content = "\n".join([f"clip,frame,{','.join(columns)}", *rows]).encode()
    answers = client.post("/predict?name=three.csv&units=m", content=content).json()["answers"]
    assert [(row["clip"], row["clip_number"]) for row in answers] == [("0", 0), ("1", 1), ("2", 2)]
    found = client.post("/predict?name=three.csv&units=m&clip=1&player=1", content=content).json()
    assert found["answers"] == answers[1:2]
    assert "1 person, 20 frames" in found["player"]
    answer = client.post("/predict?name=three.csv&units=m&clip=3", content=content)
    assert (answer.status_code, answer.json()["error"]) == (422, "three.csv holds no clip of number 3")


@pytest.mark.parametrize(
    ("address", "content", "status", "message"),
    [
        ("/predict?name=a.csv", b"nonsense", 422, "a.csv"),
        ("/predict?name=a.exe", b"", 400, "no format has this ending; .csv, .json, .npz and"),
        ("/predict?name=a", b"", 400, "no format has this ending"),
        ("/predict", b"", 400, "name is missing"),
        ("/predict?name=a.csv&tpo=1", b"", 400, "did you mean 'top'?"),
        ("/predict?name=a.csv&top=many", b"", 400, "top is 'many', expected a number"),
        ("/predict?name=a.csv&layout=/etc/passwd", b"", 400, "no layout '/etc/passwd'"),
        ("/predict?name=a.csv&window=x", b"", 400, "'x' is no length of time"),
        ("/predict?name=a.csv&clip=-1", b"", 400, "clip is -1, expected a number from 0 on"),
        ("/predict?name=a.csv&stride=3", b"", 400, "give window too"),
        ("/predict?name=a.csv", b"a" * 1_000_001, 413, "expected at most 1 MB"),
        ("/predict?name=m08_s02_e01_positions.txt", b"1 2 3", 422, "../Angles/m08_s02_e01_angles.txt"),
        ("/nothing", b"", 404, "POST /nothing is not there"),
        ("/healthz", b"", 405, "POST /healthz is not there"),
    ],
)
def test_wrong_requests_are_one_line(client, address, content, status, message):
    answer = client.post(address, content=content)
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert "/tmp" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ([], 'no object with "keypoint"'),
        ({"keypoint": [[1]]}, "shape"),
        ({"keypoint": "x"}, "something else than numbers"),
        ({"keypoint": [[[1, 2], [1]]]}, "something else than numbers"),
        ({"keypoint": [[[1, 2, 3]] * 25], "joints": 3}, "the clip has 'joints'"),
        ({"keypoint": [[[1, 2, 3]] * 25], "fps": -1}, "fps is not above 0"),
        ({"keypoint": [[[1, 2, 3]] * 24]}, "24 joints"),
        ({"keypoint": [[[1, 2, 3]] * 25], "layout": "coco17"}, "25 joints, layout 'coco17' has 17"),
        ({"keypoint": [[[1, 2, 3]] * 25], "layout": "/etc/passwd"}, "no layout '/etc/passwd'"),
        ({"keypoint": [[[1, 2, 3]] * 24], "layout": "ntu24"}, "layout 'ntu24'"),
    ],
)
def test_wrong_clips_are_one_line(client, clip, message):
    answer = client.post("/predict", json=clip)
    assert answer.status_code == 422
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("up=-y", "up is for a file"),
        ("units=mm", "units is for a file"),
        ("format=ntu", "format is for a file"),
        ("clip=1", "the clip holds no clip of number 1"),
    ],
)
def test_a_clip_is_not_answered_as_if_options_of_files_counted(client, options, message):
    clip = recording(20).keypoint.tolist()
    assert client.post("/predict?clip=0&layout=ntu25", json={"keypoint": clip, "layout": "ntu25"}).status_code == 200
    answer = client.post(f"/predict?{options}", json={"keypoint": clip})
    assert (answer.status_code, message in answer.json()["error"]) == (422, True)


def test_an_upload_that_the_disk_does_not_take_is_one_line(client, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    answer = client.post("/predict?name=clip.csv", content=b"x")
    assert answer.status_code == 507
    assert answer.json() == {"error": "the upload cannot be kept: No such file or directory"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("S001C001P001R001A001.skeleton", "S001C001P001R001A001.skeleton"),
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\x\\a b.CSV", "a_b.csv"),
        ("..csv", "_.csv"),
        (".csv", "recording.csv"),
        ("é\0\n.json", "___.json"),
    ],
)
def test_of_a_name_only_letters_and_a_known_ending_are_kept(given, kept):
    assert recordings.upload_name(given) == kept


def test_the_description_names_all_that_there_is(client):
    found = client.get("/openapi.json").json()
    names = {it["name"] for it in found["paths"]["/predict"]["post"]["parameters"]}
    assert names == {"name", *recordings.Asking.__annotations__}
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/about").json()["camera"] == "no estimator here"


# ---- who may ask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "lab.example", "Origin": "https://lab.example"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Origin": "http://localhost:9000"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_pages_of_others_are_refused(client, headers, status):
    assert client.get("/about", headers=headers).status_code == status
    if status == 200:
        with client.websocket_connect("/watch", headers=headers):
            pass
    else:
        with pytest.raises(testclient.WebSocketDisconnect), client.websocket_connect("/stream", headers=headers):
            pass


def test_a_token_is_asked_for(here):
    server = server_of(here, token="a word of mine", host="0.0.0.0")
    with testclient.TestClient(app_of(server), headers={"Host": "localhost:8000"}) as client:
        for address, headers, status in [
            ("/about", {}, 401),
            ("/about?token=another", {}, 401),
            ("/about", {"Authorization": "Bearer another"}, 401),
            ("/about", {"Authorization": "Bearer a word of mine"}, 200),
            ("/about?token=a word of mine", {}, 200),
            ("/healthz", {}, 200),
        ]:
            assert client.get(address, headers=headers).status_code == status
        with pytest.raises(testclient.WebSocketDisconnect), client.websocket_connect("/stream"):
            pass
        with client.websocket_connect("/stream?token=a word of mine"):
            pass


# ---- frames ----------------------------------------------------------------------------------------------------------


def streamed(client, address: str, lines: list[str]) -> list[dict]:
    """What a client gets for its lines and at the end of its recording."""
    found = []
    with client.websocket_connect(address) as socket:
        for line in lines:
            socket.send_text(line)
        socket.send_text("")
        socket.send_text("{")  # what cannot be read is answered: the end is known
        while (message := json.loads(socket.receive_text()))["kind"] != "error":
            found.append(message)
    return found


def test_a_socket_gives_what_stream_prints(here, client, capsys):
    main(["stream", str(here / "w.safetensors"), str(here / "two.jsonl"), "--speed", "0", "--enter", "0.3", "--least",
          "0.2s", "--delay", "0.1s"])  # fmt: skip
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    head, *found = streamed(client, "/stream?name=two", (here / "two.jsonl").read_text().splitlines())
    assert head["kind"] == "head"
    assert head["class_names"] == list(load_weights(here / "w.safetensors").class_names)
    assert found == expected


def test_what_was_noticed_behind_the_head_is_a_note(here, client):
    nobody = streamed(client, "/stream?name=two", ['{"people": []}'] * 3)
    assert [(it["kind"], it["note"]) for it in nobody] == [
        ("note", "two: 3 frames without anybody, so there is no answer")
    ]
    lines = [json.loads(line) for line in (here / "two.jsonl").read_text().splitlines()[1:]]
    lines = [json.dumps(it | {"fps": 15, "frame": 33 * place}) for place, it in enumerate(lines)]
    head, *found = streamed(client, "/stream", lines)
    assert head["fps"] == 15
    assert ["33 or more apart" in it["note"] for it in found if it["kind"] == "note"] == [True]


def test_poses_are_given_on_request(here, client):
    lines = (here / "two.jsonl").read_text().splitlines()
    found = streamed(client, "/stream?skeleton=1&show=events", lines)
    frames = [it for it in found if it["kind"] == "frame"]
    assert [it["frame"] for it in frames] == list(range(40))
    assert {person["id"] for person in frames[5]["people"]} == {"a", "b"}
    assert frames[0]["view"]["size"] > 0
    assert not [it for it in found if it["kind"] == "answer"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/stream?fsp=3", "there is no option 'fsp'; did you mean 'fps'?"),
        ("/stream?fps=0", "fps is 0, expected frames a second"),
        ("/stream?layout=../x.yaml", "no layout '../x.yaml'"),
        ("/stream?people=9999", "people is 9999"),
        ("/stream?units=inch", "--units is 'inch', expected m, cm"),
        ("/stream?camera=1", "no estimator here"),
    ],
)
def test_a_wrong_socket_is_closed_with_the_reason(client, address, message):
    with client.websocket_connect(address) as socket:
        assert message in json.loads(socket.receive_text())["error"]
        assert socket.receive()["type"] == "websocket.close"


def test_streams_that_are_being_opened_count(here):
    """Of 70 that came at once, 70 were open, and not 50."""
    release, server = threading.Event(), server_of(here, most_streams=1)

    def slow(asking: StreamAsking) -> Session:
        release.wait(30)
        return server.make(asking)

    app, headers = app_of(replace(server, make=slow)), {"Host": "localhost:8000"}
    with (
        testclient.TestClient(app, headers=headers) as client,
        client.websocket_connect("/stream"),
        client.websocket_connect("/stream") as second,
    ):
        threading.Timer(3, release.set).start()
        second.send_text("nonsense")
        assert "1 streams are open already" in json.loads(second.receive_text())["error"]


def test_a_stream_that_the_server_cannot_answer_is_closed_with_a_line(here, client, monkeypatch, capsys):
    """As a client that has left was it closed: without a word."""

    def full(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(Session, "push", full)
    with client.websocket_connect("/stream") as socket:
        for line in (here / "two.jsonl").read_text().splitlines()[:2]:
            socket.send_text(line)
        assert json.loads(socket.receive_text()) == {
            "kind": "error",
            "error": "RuntimeError in a stream; the server's terminal says more",
        }
        assert socket.receive()["code"] == 1011
    assert "CUDA out of memory" in capsys.readouterr().err


def test_a_wrong_line_is_answered_and_changes_nothing(here, client):
    lines = (here / "two.jsonl").read_text().splitlines()
    with client.websocket_connect("/stream") as socket:
        for wrong, message in [
            ("nonsense", "line 1 is not readable JSON"),
            ('{"people": [{"keypoint": [[1, 2, 3]]}]}', "has 1 joint"),
            ('{"layout": "/etc/passwd"}', "no layout '/etc/passwd'"),
        ]:
            socket.send_text(wrong)
            assert message in json.loads(socket.receive_text())["error"]
        socket.send_bytes(b"picture")
        assert "not open for a camera" in json.loads(socket.receive_text())["error"]
        for line in lines[:20]:
            socket.send_text(line)
        assert json.loads(socket.receive_text())["kind"] == "head"
    same = streamed(client, "/stream", lines)
    assert same == streamed(client, "/stream", lines)


def test_a_wrong_line_in_a_message_of_several_takes_no_answer_away(here, client):
    lines = (here / "two.jsonl").read_text().splitlines()
    with client.websocket_connect("/stream") as socket:
        socket.send_text("\n".join([*lines[:30], "nonsense", *lines[30:]]))
        socket.send_text("")
        socket.send_text("{")
        found = [json.loads(socket.receive_text())]
        while not (found[-1]["kind"] == "error" and found[-1]["error"].startswith("line 1 ")):
            found.append(json.loads(socket.receive_text()))
    assert sum(it["kind"] == "error" for it in found[:-1]) == 1
    assert [it for it in found[:-1] if it["kind"] != "error"] == streamed(client, "/stream", lines)


def test_who_sends_nothing_but_rubbish_is_sent_away(client):
    with client.websocket_connect("/stream") as socket:
        for _ in range(50):
            socket.send_text("[")
            assert "error" in json.loads(socket.receive_text())
        assert "50 messages in a row" in json.loads(socket.receive_text())["error"]
        assert socket.receive()["type"] == "websocket.close"


def test_a_page_watches_a_program(here, client):
    lines = (here / "two.jsonl").read_text().splitlines()
    with client.websocket_connect("/watch") as page:
        assert json.loads(page.receive_text()) == {"kind": "streams", "streams": []}
        with client.websocket_connect("/stream?name=gym") as program:
            (it,) = json.loads(page.receive_text())["streams"]
            assert it["name"] == "gym"
            page.send_json({"watch": it["number"]})
            page.send_json({"watch": "x"})
            for line in lines:
                program.send_text(line)
            kinds = set()
            while "frame" not in kinds or "answer" not in kinds:
                message = json.loads(page.receive_text())
                assert message["stream"] == it["number"]
                kinds.add(message["kind"])
        while json.loads(page.receive_text()).get("kind") != "streams":
            pass


def test_a_page_that_does_not_read_loses_frames_and_no_events():
    viewer = Viewer()
    messages = [{"kind": "end" if i % 50 == 0 else "frame", "frame": i} for i in range(1000)]
    for message in messages:
        viewer.put(message)
    kept = [viewer.queue.get_nowait() for _ in range(viewer.queue.qsize())]
    assert [it for it in kept if it["kind"] == "end"] == messages[::50]
    frames = [it["frame"] for it in kept if it["kind"] == "frame"]
    assert frames == [it["frame"] for it in messages if it["kind"] == "frame"][-len(frames) :]


def test_an_answer_that_the_end_of_the_server_cuts_off_is_no_error():
    async def cut_off() -> None:
        began = asyncio.Event()

        async def answer(scope, receive, send):
            began.set()
            await asyncio.sleep(60)

        scope = {"type": "http", "path": "/", "headers": [(b"host", b"localhost")], "query_string": b""}
        task = asyncio.create_task(Guard(answer, ())(scope, None, None))
        await began.wait()
        task.cancel()
        assert await task is None

    asyncio.run(cut_off())


# ---- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines ask: give --token WORD"),
        (["--token", "abc"], "--token is too short"),
        (["--port", "99999"], "port is 99999"),
        (["--enter", "2"], "events begin at 2"),
        (["--stride", "often"], "'often' is no length of time"),
        (["--none", "sitt"], "did you mean 'sit'?"),
        (["--max-upload", "0"], "max_upload is 0"),
        (["--pose", "openpose"], "--pose 'openpose' is not known"),
    ],
)
def test_wrong_options_are_one_line(here, capsys, words, message):
    assert main(["serve", str(here / "w.safetensors"), *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_options_of_streams_reach_them(here, monkeypatch):
    servers = []
    monkeypatch.setattr("kinegraph.serve.run.run", lambda server, port, say: servers.append(server))
    assert not main(["serve", str(here / "w.safetensors"), "--stride", "2s", "--gap", "3s"])
    session = servers[0].make(StreamAsking(units="mm", up="z"))
    assert (session.stride, session.gap, session.units, session.up) == ("2s", "3s", "mm", "z")


def test_what_is_not_installed_is_named(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", str(here / "w.safetensors")]) == 2
    assert 'pip install "kinegraph[serve]"' in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(here, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(here / "w.safetensors"), "--port", str(port)]) == 2
    assert f"127.0.0.1:{port} cannot be taken: Address already in use; try --port" in capsys.readouterr().err
