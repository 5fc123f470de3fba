"""A real server and clients that do wrong: rubbish, no reading, too much, all at once, gone in the middle."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.inference.test_stream import written
from tests.serve import serving

connect = pytest.importorskip("websockets.sync.client").connect


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return written(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module")
def address(here):
    words = ("--enter", "0.3", "--least", "0.2s", "--max-upload", 1)
    with serving.served(here, "w.safetensors", *words) as address:
        yield address


def asked(address: str, path: str, content: bytes | None = None) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address + path, content), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def streamed(address: str, lines: list[str]) -> list[dict]:
    """All that a client gets for a recording."""
    found = []
    with connect(address.replace("http", "ws") + "/stream") as client:
        for line in lines:
            client.send(line)
        client.send("")
        client.send("{")
        while (message := json.loads(client.recv(60)))["kind"] != "error":
            found.append(message)
    return found


def raw(address: str) -> socket.socket:
    place = urlsplit(address)
    return socket.create_connection((place.hostname, place.port), timeout=60)


def answer_line(connection: socket.socket) -> bytes:
    return connection.makefile("rb").readline()


def test_twenty_clients_at_once_get_what_one_gets(here, address):
    lines = (here / "two.jsonl").read_text().splitlines()
    expected = streamed(address, lines)
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: streamed(address, lines), range(20)))
    assert all(it == expected for it in found)


def test_recordings_that_come_at_once_are_answered_or_put_off(here, address):
    content = (here / "two.jsonl").read_bytes()
    expected = asked(address, "/predict?name=two.jsonl", content)
    assert expected[0] == 200
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: asked(address, "/predict?name=two.jsonl", content), range(20)))
    assert {status for status, _ in found} <= {200, 503}
    assert sum(it == expected for it in found) >= 16  # those that may wait


@pytest.mark.parametrize("head", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"])
def test_an_upload_over_the_limit_ends_early(address, head):
    """The server takes about as much as it allows, and then answers and closes."""
    with raw(address) as connection:
        place = urlsplit(address).netloc.encode()
        connection.sendall(b"POST /predict?name=a.csv HTTP/1.1\r\nHost: %b\r\n%b\r\n\r\n" % (place, head))
        part, sent = b"x" * 65536, 0
        with suppress(ConnectionError, TimeoutError):
            while sent < 200_000_000:
                connection.sendall(b"%x\r\n%b\r\n" % (len(part), part) if b"chunked" in head else part)
                sent += len(part)
        assert sent < 50_000_000
        with suppress(ConnectionError):  # what was sent too much may cut the answer off
            assert b" 413 " in answer_line(connection)
    assert asked(address, "/healthz")[0] == 200


def test_rubbish_is_refused_and_disturbs_nobody(here, address):
    lines = (here / "two.jsonl").read_text().splitlines()
    expected = streamed(address, lines)
    for content in (
        b"\x00" * 1000,
        b"GET\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01",
    ):
        with raw(address) as connection, suppress(ConnectionError):
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            assert b" 200 " not in answer_line(connection)
    for content in (b"", b"\xff" * 100_000, b"[" * 100_000, b'{"people": ' * 1000):
        status, answer = asked(address, "/predict?name=a.json", content)
        assert (status, "\n" in answer["error"]) == (422, False)
    with connect(address.replace("http", "ws") + "/stream") as client:
        client.send(b"\xff\xd8 no picture")
        assert "error" in json.loads(client.recv(60))
        with suppress(Exception):
            client.send("x" * 5_000_000)  # longer than a frame may be
            client.recv(60)
            client.recv(60)
    assert streamed(address, lines) == expected


def test_who_does_not_read_does_not_hold_up_others(here, address):
    lines = (here / "two.jsonl").read_text().splitlines()
    expected = streamed(address, lines)
    stop = threading.Event()

    def flood(client) -> None:
        number = 0
        with suppress(Exception):
            while not stop.is_set():
                client.send(json.dumps(json.loads(lines[1]) | {"frame": number}))
                number += 1

    with connect(address.replace("http", "ws") + "/stream?skeleton=1&top=4", max_queue=1) as client:
        sender = threading.Thread(target=flood, args=(client,), daemon=True)
        sender.start()
        try:
            time.sleep(1)
            assert streamed(address, lines) == expected
            assert asked(address, "/healthz")[0] == 200
        finally:
            stop.set()
            client.socket.shutdown(socket.SHUT_RDWR)
            sender.join(10)


def test_clients_that_leave_are_forgotten(here, address):
    lines = (here / "two.jsonl").read_text().splitlines()
    for _ in range(30):  # cut off in the middle, and again
        with connect(address.replace("http", "ws") + "/stream") as client:
            for line in lines[:10]:
                client.send(line)
            client.socket.shutdown(socket.SHUT_RDWR)
    with raw(address) as half:  # an upload that never ends
        half.sendall(b"POST /predict?name=a.csv HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        for _ in range(200):
            if asked(address, "/about")[1]["streams"] == 0:
                break
            time.sleep(0.1)
        assert asked(address, "/about")[1]["streams"] == 0
    assert len(streamed(address, lines)) > 30


def test_a_wrong_option_is_said_to_a_client_that_still_sends(here):
    with serving.served(here, "w.safetensors", "--max-upload", 20) as address:
        status, said = asked(address, "/predict?name=a.csv&tpo=1", b"1,2\n" * 2_000_000)  # more than a socket holds
    assert (status, "did you mean 'top'?" in said["error"]) == (400, True)


@pytest.mark.slow
def test_a_recording_that_takes_too_long_is_given_up(here):
    """The process that reads is ended, and the next recording is answered by another one."""
    (here / "slow.py").write_text(
        "import time\nfrom kinegraph.inference import inputs\n_read = inputs.recordings\n"
        "def slowly(path, *a, **k):\n"
        "    time.sleep(600 if path.stem == 'slow' else 0)\n    return _read(path, *a, **k)\n"
        "def broken(path, *a, **k):\n"
        "    import os\n    os._exit(9) if path.stem == 'broken' else None\n    return slowly(path, *a, **k)\n"
        "inputs.recordings = broken\n"
    )
    content = (here / "two.jsonl").read_bytes()
    with serving.served(here, "w.safetensors", "--job-time", 20, "--plugins", "slow.py") as address:
        assert asked(address, "/predict?name=two.jsonl", content)[0] == 200
        status, answer = asked(address, "/predict?name=slow.jsonl", content)
        assert (status, "took more than 20 s" in answer["error"]) == (504, True)
        status, answer = asked(address, "/predict?name=broken.jsonl", content)
        assert (status, "ended the process" in answer["error"]) == (500, True)
        assert asked(address, "/predict?name=two.jsonl", content)[0] == 200
