"""What a server bears, measured: `python -m tests.serve`. Figures are in docs/reliability.md and docs/live.md.

The latency is from a line of JSON in to its answer out, of frames that change the answer. Frames come 30 a second.
"""

import argparse
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import fields
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import numpy as np
from websockets.sync.client import connect

from kinegraph.commands.stream import stream
from kinegraph.data.formats.json_frame import Frame, Head, frame_line, head_line, parsed_line
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.streaming.live import as_object
from kinegraph.inference.streaming.session import Played, Session
from kinegraph.models.weights import load_weights, save_weights
from tests.inference.test_stream import recording, weights, written
from tests.serve import serving

LARGE = {"widths": (64,) * 4 + (128,) * 3 + (256,) * 3, "strides": (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)}  # ST-GCN's
FIRST = 100  # frames that are sent at once: the first answer says that the network is loaded
Times = dict[int, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=15, help="of each measurement")
    seconds = parser.parse_args().seconds
    with TemporaryDirectory() as place:
        folder = Path(place)
        for people in (1, 2):
            lines = large(folder, people, 30 * seconds + FIRST)
            print(f"ST-GCN, exact, {people} people, processor: {computed(folder, lines, people)}", flush=True)
            print(f"ST-GCN, exact, {people} people, pipe: {piped(folder, lines)}", flush=True)
            with serving.served(folder, "large.safetensors") as address:
                print(f"ST-GCN, exact, {people} people, socket: {latency([paced(address, lines)])}", flush=True)
        attacked(written(folder), seconds)


def large(folder: Path, people: int, frames: int) -> list[str]:
    """Weights of the published size, large.safetensors, and frames for them."""
    known = weights(Preprocessing(people=2), **LARGE)
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    training = {"training": {"frames": [60, 100, 150]}}
    save_weights(folder / "large.safetensors", known.model, **about, extra=training)
    clip, ids = recording(frames, people=people), tuple(range(people))
    poses = enumerate(clip.keypoint.swapaxes(0, 1))
    return [head_line(Head(clip.layout, 30.0)), *(frame_line(Frame(pose, None, ids, t)) for t, pose in poses)]


# ---- latency ---------------------------------------------------------------------------------------------------------


def computed(folder: Path, lines: Sequence[str], people: int) -> str:
    """Processor time from a line to its answer, which another program's load does not change much."""
    words = {name: it.default for name, it in signature(stream).parameters.items() if it.default is not it.empty}
    known = {it.name for it in fields(Session)} & words.keys()
    session = Session(load_weights(folder / "large.safetensors"), note=lambda line: None,
                      **{name: words[name] for name in known} | {"people": people})  # fmt: skip
    head, *frames = lines
    recording = Played("x", parsed_line(head.encode(), "x", session.dimensions), iter(()), live=True)
    times: dict[bool, list[float]] = {True: [], False: []}
    for line in frames:
        begin = time.process_time()
        found = session.push(recording, parsed_line(line.encode(), "x", session.dimensions))
        said = [json.dumps(as_object(it, session.live.stream, "x")) for it in found]
        times[bool(said)].append(1e3 * (time.process_time() - begin))
    answering, others = (np.array(times[it][len(times[it]) // 5 :]) for it in (True, False))
    ninety_five = np.percentile(answering, 95)
    return f"median {np.median(answering):.1f} ms, p95 {ninety_five:.1f} ms; frames between {np.median(others):.1f} ms"


def piped(folder: Path, lines: Sequence[str]) -> str:
    command = [sys.executable, "-m", "kinegraph", "stream", "large.safetensors", "-", "--show", "answers"]
    files = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, text=True, bufsize=1, **files) as process:
        got: Times = {}
        reader = threading.Thread(target=noted, args=(process.stdout, got))
        reader.start()
        sent = in_time(process.stdin.write, [f"{line}\n" for line in lines], got)
        process.stdin.close()
        reader.join()
    return latency([(sent, got)])


def paced(address: str, lines: Sequence[str], rate: float = 30) -> tuple[Times, Times]:
    got: Times = {}
    with connect(address.replace("http", "ws") + "/stream?show=answers") as client:
        threading.Thread(target=noted, args=(client, got), daemon=True).start()
        sent = in_time(client.send, lines, got, rate)
        time.sleep(1)
    return sent, got


def in_time(send: Callable[[str], object], lines: Sequence[str], got: Times, rate: float = 30) -> Times:
    """Send the lines at their own speed, after the first ones and their answers. Returns when each frame was."""
    sent: Times = {}
    for line in lines[: FIRST + 1]:
        send(line)
    while not got or time.perf_counter() - max(got.values()) < 1:
        time.sleep(0.1)
    begin = time.perf_counter()
    for frame, line in enumerate(lines[FIRST + 1 :], FIRST):
        time.sleep(max(0.0, begin + (frame - FIRST) / rate - time.perf_counter()))
        sent[frame] = time.perf_counter()
        send(line)
    return sent


def noted(lines: Iterable[str], got: Times) -> None:
    with suppress(Exception):
        for line in lines:
            answer = json.loads(line)
            if answer["kind"] == "answer":
                got.setdefault(answer["frame"], time.perf_counter())


def latency(measured: Iterable[tuple[Times, Times]]) -> str:
    found = [1e3 * (got[frame] - sent[frame]) for sent, got in measured for frame in got if frame in sent]
    return f"{len(found)} answers, median {np.median(found):.0f} ms, p95 {np.percentile(found, 95):.0f} ms"


# ---- clients that do wrong -------------------------------------------------------------------------------------------


def attacked(folder: Path, seconds: int) -> None:
    head, *frames = (folder / "two.jsonl").read_text().splitlines()
    people = [json.loads(line)["people"] for line in frames]
    lines = [head, *(json.dumps({"frame": t, "people": people[t % 40]}) for t in range(30 * seconds + FIRST))]
    with serving.served(folder, "w.safetensors") as address:

        def shown(name: str, attack: Callable[[str], str]) -> None:
            print(f"{name}: {attack(address)}", flush=True)
            assert about(address, "healthz") == {"status": "ok"}

        for count in (1, 20):
            shown(f"{count} clients, 2 people", lambda it, count=count: together(it, lines, count))
        shown("upload of 1 GB", gigabyte)
        other = threading.Thread(target=lambda: print("another client:", latency([paced(address, lines)])))
        other.start()
        shown("client that does not read", lambda it: unread(it, lines))
        other.join()
        shown("500 connections cut off", lambda it: cut_off(it, lines))
        shown("1,200 damaged lines", lambda it: damaged(it, lines[1]))


def about(address: str, path: str) -> dict:
    with urllib.request.urlopen(f"{address}/{path}", timeout=60) as answer:
        return json.load(answer)


def together(address: str, lines: Sequence[str], count: int) -> str:
    found: list[tuple[Times, Times]] = []
    threads = [threading.Thread(target=lambda: found.append(paced(address, lines))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latency(found)


def gigabyte(address: str) -> str:
    place, part, sent = urlsplit(address), b"x" * 65536, 0
    with socket.create_connection((place.hostname, place.port)) as connection:
        head = b"POST /predict?name=a.csv HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head)
        with suppress(OSError):
            while sent < 1e9:
                connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
                sent += len(part)
    return f"refused after {sent / 1e6:.0f} MB"


def unread(address: str, lines: Sequence[str]) -> str:
    begin = time.monotonic()
    with suppress(Exception), connect(address.replace("http", "ws") + "/stream?skeleton=1", max_queue=1) as client:
        for frame in range(10**9):
            client.send(json.dumps(json.loads(lines[1]) | {"frame": frame}))
    return f"sent away after {time.monotonic() - begin:.0f} s"


def cut_off(address: str, lines: Sequence[str]) -> str:
    for _ in range(500):
        with connect(address.replace("http", "ws") + "/stream") as client:
            for line in lines[:5]:
                client.send(line)
            client.socket.shutdown(socket.SHUT_RDWR)
    time.sleep(3)
    return f"{about(address, 'about')['streams']} streams left"


def damaged(address: str, line: str) -> str:
    rng, refused = np.random.default_rng(0), 0
    for _ in range(20):
        with suppress(Exception), connect(address.replace("http", "ws") + "/stream") as client:
            for _ in range(60):
                content = bytearray(line.encode())
                for place in rng.integers(0, len(content), 5):
                    content[place] = rng.integers(32, 127)
                client.send(content.decode())
            while True:
                refused += json.loads(client.recv(2))["kind"] == "error"
    return f"{refused} refused, each with a line"


if __name__ == "__main__":
    main()
