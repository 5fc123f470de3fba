"""The process that answers recordings, with a process of the test in its place."""

import asyncio
import time

import pytest

from kinegraph.serve import jobs
from kinegraph.serve.jobs import Jobs


def slow_once(connection, mark) -> None:
    """Ready at once, but the first process of all takes a second; then each job comes back."""
    if not mark.exists():
        mark.touch()
        time.sleep(1)
    connection.send_bytes(b'"ready"')
    while True:
        connection.send_bytes(connection.recv_bytes())


def test_what_a_late_process_says_is_no_answer(tmp_path, monkeypatch):
    """It was taken for one: everybody got the answer to the recording before."""
    queue = Jobs(slow_once, (tmp_path / "mark",), seconds=60)
    monkeypatch.setattr(jobs, "BEGIN", 0)
    with pytest.raises(TimeoutError):
        queue._worker.ready()
    monkeypatch.setattr(jobs, "BEGIN", 60)
    try:
        for number in range(2):
            assert asyncio.run(queue.run({"number": number})) == {"number": number}
    finally:
        queue.stop()
