"""Every reader on the kept inputs, and on good files that are cut, spliced and changed: what `judging` asks holds.

`python -m tests.fuzz` does the same for longer, guided by coverage.
"""

import re
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.judging import fault
from tests.fuzz.readers import READERS, corpus

LONGEST = 30  # seconds; hypothesis and what it traces take their part
KEPT = [(name, file) for name in READERS for file in corpus(name)]
NUMBER = re.compile(rb"\d+")
HOSTILE = [
    b"-1",
    b"0",
    b"1e400",
    b"nan",
    b"9" * 20,
    b"9" * 5000,
    b"1000000000000",
    b"null",
    b"\xff\xff\xff\xff",
    b"\x00" * 8,
]
HOSTILE += [b"[" * 20000, b"\n", b"\x1b[2J", b"../../x", b"<script>", b"\xe2\x80\xa8", b'"', b"=1+1"]


@pytest.mark.parametrize(("name", "file"), KEPT, ids=[f"{name}-{file.name}" for name, file in KEPT])
def test_what_once_broke_a_reader(tmp_path, name, file):
    READERS[name].inputs()  # makes files of its own, once
    assert fault(READERS[name].read, tmp_path / "files", file.read_bytes(), LONGEST) is None


def test_the_corpus_is_small():
    assert len(KEPT) > 10
    assert sum(file.stat().st_size for _, file in KEPT) < 300_000


@st.composite
def changed(draw, name: str) -> bytes:
    """A good file with numbers made huge, parts cut out, doubled or taken from another, bytes changed."""
    inputs = READERS[name].inputs()
    data = bytearray(draw(st.sampled_from(inputs)))
    for _ in range(draw(st.integers(1, 3))):
        place, end = sorted(draw(st.tuples(*[st.integers(1, max(len(data) - 1, 1))] * 2)))
        match draw(st.sampled_from(["number", "byte", "cut", "end", "splice", "double", "insert"])):
            case "number":
                if found := NUMBER.search(data, place):
                    data[found.start() : found.end()] = draw(st.sampled_from(HOSTILE))
            case "byte":
                data[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case "cut":
                del data[place:end]
            case "end":
                del data[place:]
            case "splice":
                data[place:end] = draw(st.sampled_from(inputs))[place:end]
            case "double":
                data[place:place] = data[place:end]
            case "insert":
                data[place:place] = draw(st.sampled_from(HOSTILE))
    return bytes(data)


@pytest.mark.parametrize("name", READERS)
def test_changed_files_are_read_or_refused(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("fuzz") / "files"

    @settings(max_examples=4 if name == "YAML" else 20, derandomize=True)  # `make fuzz` draws anew
    @given(changed(name))
    def check(data):
        assert fault(READERS[name].read, folder, data, LONGEST) is None

    check()


ALWAYS, A_BYTE = 48 << 20, 2000  # bytes of memory


@pytest.mark.parametrize("name", [name for name in READERS if name != "YAML"])  # small, and slow to read
def test_memory_follows_the_size_of_the_file(tmp_path, name):
    """Every number in a good file replaced by a huge one, in turn."""
    reader, folder = READERS[name], tmp_path / "files"
    for data in reader.inputs():
        numbers = list(NUMBER.finditer(data, 1))
        for found in numbers[:: max(1, len(numbers) // 6)]:
            hostile = data[: found.start()] + b"1000000000000" + data[found.end() :]
            with suppress(ValueError):
                fault(reader.read, folder, data, LONGEST)  # what is imported late does not count
            tracemalloc.start()
            problem = fault(reader.read, folder, hostile, LONGEST)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert problem is None
            assert peak < ALWAYS + A_BYTE * len(hostile)
