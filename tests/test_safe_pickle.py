"""Pickles are read as data: everything numpy and Python write comes back, nothing a pickle asks for is run."""

import base64
import gzip
import lzma
import os
import pickle
import struct
import zlib
from collections import Counter, OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.cli import main
from kinegraph.models.published import load_published
from kinegraph.safe_pickle import load_pickle

VALUE = {
    "float": np.arange(12, dtype=np.float32).reshape(3, 4),
    "half, by columns": np.asfortranarray(np.arange(12, dtype=np.float16).reshape(3, 4)),
    "big end first": np.arange(3, dtype=">i4"),
    "objects": np.array([1, "b", None, np.arange(3)], object),
    "text": np.array(["ab", "c"]),
    "empty": np.zeros((0, 17, 2), np.float32),
    "no axis": np.array(2.5),
    "large": np.ones((40, 25, 3), np.float32),
    "scalars": [np.float16(3), np.int64(-4), np.bool_(True), np.str_("hi")],
    "containers": ({1, 2}, frozenset([3]), (1, (2, [None])), Counter("abca"), OrderedDict(b=1, a=2)),
    "bytes": [b"", b"\x00\xff", bytearray(b"12")],
    "numbers": [True, -1, 2**70, 1.5, float("inf")],
    "words": ["", "walk", "gehen, ö"],
}


def same(found: object, expected: object) -> bool:
    if isinstance(expected, np.ndarray):
        return (found.dtype, found.shape) == (expected.dtype, expected.shape) and all(
            same(a, b) if expected.dtype == object else a == b for a, b in zip(found.flat, expected.flat, strict=True)
        )
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected and type(found) is type(expected)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back_as_the_standard_library_reads_them(tmp_path, protocol):
    file = tmp_path / "value.pkl"
    again = {**VALUE, "the same once more": VALUE["large"]}
    file.write_bytes(pickle.dumps(again, protocol))
    found = load_pickle(file)
    assert same(found, pickle.loads(file.read_bytes()))
    assert found["the same once more"] is found["large"]
    found["large"][0] = 5  # as writable as any array


# joblib 1.6's joblib.dump of defaultdict(dict), {1: {"a": (2, 3) by columns, "o": ["x", array([0, 1])] of objects}}
OF_JOBLIB = base64.b64decode(
    "gASVEgEAAAAAAACMC2NvbGxlY3Rpb25zlIwLZGVmYXVsdGRpY3SUk5SMCGJ1aWx0aW5zlIwEZGljdJSTlIWUUpRLAX2UKIwBYZSME2pvYmxpYi"
    "5udW1weV9waWNrbGWUjBFOdW1weUFycmF5V3JhcHBlcpSTlCmBlH2UKIwIc3ViY2xhc3OUjAVudW1weZSMB25kYXJyYXmUk5SMBXNoYXBllEsC"
    "SwOGlIwFb3JkZXKUjAFGlIwFZHR5cGWUaBCMBWR0eXBllJOUjAJmNJSJiIeUUpQoSwOMATyUTk5OSv////9K/////0sAdJRijAphbGxvd19tbW"
    "FwlIiMG251bXB5X2FycmF5X2FsaWdubWVudF9ieXRlc5RLEHViAv//AAAAAAAAQEAAAIA/AACAQAAAAEAAAKBAlU0AAAAAAAAAjAFvlGgMKYGU"
    "fZQoaA9oEmgTSwKFlGgVjAFDlGgXaBmMAk84lImIh5RSlChLA4wBfJROTk5K/////0r/////Sz90lGJoH4loIEsQdWKABZUBAQAAAAAAAIwWbn"
    "VtcHkuX2NvcmUubXVsdGlhcnJheZSMDF9yZWNvbnN0cnVjdJSTlIwFbnVtcHmUjAduZGFycmF5lJOUSwCFlEMBYpSHlFKUKEsBSwKFlGgDjAVk"
    "dHlwZZSTlIwCTziUiYiHlFKUKEsDjAF8lE5OTkr/////Sv////9LP3SUYoldlCiMAXiUjBNudW1weS5fY29yZS5udW1lcmljlIwLX2Zyb21idW"
    "ZmZXKUk5QolhAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAJRoDIwCaTiUiYiHlFKUKEsDjAE8lE5OTkr/////Sv////9LAHSUYksChZSMAUOUdJRS"
    "lGV0lGIudXMu"
)


@pytest.mark.parametrize("pack", [bytes, zlib.compress, gzip.compress, lzma.compress])
def test_arrays_of_joblib_are_read_packed_or_not(tmp_path, pack):
    (file := tmp_path / "demo.pkl").write_bytes(pack(OF_JOBLIB))
    for foreign in (False, True):
        (found,) = load_pickle(file, foreign=foreign).values()
        assert same(found["a"], np.arange(6, dtype=np.float32).reshape(2, 3))
        assert same(found["o"], np.array(["x", np.arange(2)], object))


def test_what_is_packed_beyond_its_size_is_refused(tmp_path):
    (file := tmp_path / "bomb.pkl").write_bytes(zlib.compress(bytes(100 << 20)))
    with pytest.raises(ValueError, match=r"bomb.pkl would unpack to more than [\d,]+ bytes"):
        load_pickle(file)
    (file := tmp_path / "lz4.pkl").write_bytes(b"\x04\x22\x4d\x18" + bytes(20))
    with pytest.raises(ValueError, match=r"compressed by lz4, which is not read: write it by joblib.dump"):
        load_pickle(file)


def test_no_other_object_comes_with_joblib(tmp_path):
    (file := tmp_path / "bad.pkl").write_bytes(OF_JOBLIB.replace(b"NumpyArrayWrapper", b"NumpyArrayWrappex"))
    with pytest.raises(ValueError, match=r"asks for .joblib\.numpy_pickle\.NumpyArrayWrappex"):
        load_pickle(file)


def test_python_2(tmp_path):
    """Label files of 2s-AGCN were written by Python 2: byte strings, and arrays whose bytes are such a string."""
    file = tmp_path / "label.pkl"
    names = b"(lp0\nS'S001C001P001R001A001.skeleton'\np1\na"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'i2'\nI0\nI1\n"
        b"tR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x01\\x00\\xff\\x00'\ntb"
    )
    file.write_bytes(b"(" + names + array + b"t.")
    found_names, found = load_pickle(file)
    assert found_names == ["S001C001P001R001A001.skeleton"]
    assert found.tolist() == [1, 255]


# ---- what is refused -------------------------------------------------------------------------------------------------


class Command:
    """Pickles as a call that leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def module_of(name: str) -> str:
    return f"{os.name}.{name}"  # os.system is posix.system


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_not_run(tmp_path, protocol):
    file = tmp_path / "evil.pkl"
    file.write_bytes(pickle.dumps([{"keypoint": Command(tmp_path / "trace")}], protocol))
    with pytest.raises(ValueError, match=rf"evil\.pkl asks for '{module_of('system')}'"):
        load_pickle(file)
    assert not (tmp_path / "trace").exists()


def evil_files(folder, trace):
    """A command in each kind of file that people pass on."""
    folder.mkdir()
    command = Command(trace)
    clip = {"keypoint": np.ones((1, 4, 25, 3), np.float32), "frame_dir": "a", "label": 0, "total_frames": 4}
    (folder / "list.pkl").write_bytes(pickle.dumps([clip, {**clip, "frame_dir": command}]))
    (folder / "new.pkl").write_bytes(pickle.dumps({"split": {"train": command}, "annotations": [clip]}))
    np.save(folder / "train_data_joint.npy", np.ones((1, 3, 4, 25, 1), np.float32))
    (folder / "train_label.pkl").write_bytes(pickle.dumps((["a"], command)))
    return {"annotations list.pkl": folder / "list.pkl", "annotations new.pkl": folder / "new.pkl", "npy": folder}


@pytest.mark.parametrize("kind", ["annotations list.pkl", "annotations new.pkl", "npy"])
def test_a_command_in_annotations_and_labels_is_one_line(tmp_path, kind, capsys):
    raw = evil_files(tmp_path / "raw", tmp_path / "trace")[kind]
    assert main(["prepare", kind.split()[0], str(raw), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert f"asks for '{module_of('system')}'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "trace").exists()
    assert not (tmp_path / "out").exists()


def test_a_command_in_a_checkpoint_is_named(tmp_path):
    import torch

    file = tmp_path / "evil.pth"
    torch.save({"state_dict": {"fcn.weight": Command(tmp_path / "trace")}}, file)
    with pytest.raises(ValueError, match=r"evil\.pth.*system"):
        load_published(file)
    assert not (tmp_path / "trace").exists()


EXTENSION = b"\x80\x02\x82\x01."
BUILD_ON_A_WORD = b"\x80\x02cnumpy\ndtype\n}U\x01aK\x01sb."
WORD_AS_CLASS = b"\x80\x02cnumpy\nndarray\n)\x81."
CALL_OF_AN_ARRAY = b"\x80\x02cnumpy\nndarray\nK\x05\x85\x85R."
DOTTED = b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__reduce\x93."
PERSISTENT = b"\x80\x02U\x01xQ."
INSTANCE = b"(ios\nsystem\n."
STRUCTURED = pickle.dumps(np.zeros(2, [("a", "f4"), ("b", "i4")]))
FUNCTION = pickle.dumps(np.linspace)
TWO_LINES = b"\x80\x04\x8c\x02os\x8c\x0csystem\x1b[2J\n1\x93."


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (EXTENSION, "an object of a class"),
        (BUILD_ON_A_WORD, "the inside of a _Word"),
        (WORD_AS_CLASS, "an object of a class"),
        (CALL_OF_AN_ARRAY, "a call of 'numpy.ndarray'"),
        (DOTTED, "'numpy.dtype.__reduce'"),
        (PERSISTENT, "an object of a class"),
        (INSTANCE, "'os.system'"),
        (STRUCTURED, "an array of dtype 'V8'"),
        (FUNCTION, "'numpy.linspace'"),
        (TWO_LINES, r"'os\.system \[2J 1'"),
    ],
)
def test_every_way_to_code_is_closed(tmp_path, content, asked):
    file = tmp_path / "evil.pkl"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"asks for {asked}"):
        load_pickle(file)


# ---- broken files ----------------------------------------------------------------------------------------------------

HUGE = struct.pack("<Q", 1 << 40)
A_TERABYTE = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")


def array(dtype: bytes, raw: bytes) -> bytes:
    """An array that claims to have 2 ** 40 elements."""
    new = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    of = b"cnumpy\ndtype\nU\x02" + dtype + b"\x85R"
    return b"\x80\x02" + new + b"(K\x01" + A_TERABYTE + b"\x85" + of + b"\x89" + raw + b"tb."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"keypoint,label\n1,2\n",
        b"\x80\x04\x95" + HUGE,  # a frame of a terabyte
        b"\x80\x04\x8e" + HUGE + b"abc",  # bytes of a terabyte
        b"\x80\x05\x96" + HUGE + b"abc",
        array(b"f4", b"U\x04abcd"),
        array(b"S0", b"U\x00"),
        array(b"O8", b"]"),
        b"\x80\x02]" * 5 + b"K\x01",
    ],
)
def test_what_a_file_only_claims_to_hold_takes_no_memory(tmp_path, content):
    file = tmp_path / "broken.pkl"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.pkl is not a readable pickle: \S"):
        load_pickle(file)


def test_copies_do_not_multiply_a_file(tmp_path):
    file = tmp_path / "copies.pkl"
    copy = b"cbuiltins\nbytearray\nh\x00\x85R"  # of the million bytes in the memo
    file.write_bytes(b"\x80\x03(B" + struct.pack("<I", 10**6) + bytes(10**6) + b"q\x00" + 100 * copy + b"t.")
    with pytest.raises(ValueError, match="asks for more memory"):
        load_pickle(file)


WRITTEN = {protocol: pickle.dumps(VALUE, protocol) for protocol in (2, 4, 5)}


@given(st.sampled_from(sorted(WRITTEN)), st.data())
@settings(max_examples=60)
def test_a_changed_or_cut_file_is_read_or_refused_in_one_line(tmp_path_factory, protocol, data):
    content = bytearray(WRITTEN[protocol])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.mktemp("fuzz") / "changed.pkl"
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    message = refusal(file)
    assert message.startswith(str(file))
    assert "\n" not in message


def refusal(file) -> str:
    try:
        load_pickle(file)
    except ValueError as error:
        return str(error)
    return str(file)
