"""Checkpoints of the TensorFlow project, read and written without TensorFlow.

tests/golden/tensorflow_checkpoint: ST-GCN of three blocks, one step of training and its logits, by TensorFlow 2.21.0
with tf_keras 2.21.0. What `write_variables` wrote for all ten blocks was given to the same version's
`tf.train.Checkpoint(model=...).restore`, which matched all objects and consumed all values (28 Nov 2026): its logits
were those of ../shared/golden/tensorflow/io.npz to 4e-6.
"""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

import kinegraph
from kinegraph.crc32c import masked_crc32c
from kinegraph.models.checkpoint_file import read_state
from kinegraph.models.layers.winograd import TemporalConvolution
from kinegraph.models.published import load_published, save_published
from kinegraph.models.stgcn import STGCN
from kinegraph.models.tensorflow_checkpoint import GRAPH, _packed_table, read_bundle
from kinegraph.models.weights_path import find_index
from kinegraph.protobuf import field, number_field

GOLDEN = Path(__file__).parents[1] / "golden" / "tensorflow_checkpoint"
SHARED = Path(__file__).parents[3] / "shared" / "golden" / "tensorflow"
WHOLE = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/golden")


@pytest.mark.parametrize(
    ("checkpoint", "values", "lengths"),
    [(GOLDEN, GOLDEN, (12, 13)), pytest.param(SHARED / "checkpoints", SHARED, (60, 75), marks=WHOLE)],
)
def test_checkpoint_computes_the_logits_of_tensorflow(checkpoint, values, lengths):
    """For an even and an odd number of frames, whose zeros TensorFlow divides differently; by both engines."""
    model = kinegraph.load_model(checkpoint)
    with np.load(values / "io.npz") as golden, torch.no_grad():
        for T in lengths:
            x, logits = torch.from_numpy(golden[f"input_{T}"]).permute(0, 4, 2, 3, 1), golden[f"logits_{T}"]
            for network in (model, model.fold()):
                assert np.abs(network(x).numpy() - logits).max() < 1e-5


@pytest.mark.parametrize("name", ["", "ckpt-1", "ckpt-1.index", "ckpt-1.data-00000-of-00001"])
def test_every_name_of_a_checkpoint(name):
    assert find_index(GOLDEN / name) == GOLDEN / "ckpt-1.index"


def test_written_checkpoint_has_the_objects_and_values_of_tensorflows(tmp_path):
    """The optimizer is not written; all else is the same, the graph of objects by its paths."""
    model = load_published(GOLDEN)
    save_published(tmp_path / "written", model, "tensorflow")
    theirs, ours = read_state(GOLDEN), read_state(tmp_path / "written")
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    keys = read_bundle(GOLDEN / "ckpt-1.index").entries
    written = read_bundle(tmp_path / "written" / "ckpt-1.index").entries
    assert set(written) == {key for key in keys if not key.startswith("optimizer")}
    assert {key: (e.dtype, e.shape, e.size, e.checksum) for key, e in written.items() if key != GRAPH} == {
        key: (keys[key].dtype, keys[key].shape, keys[key].size, keys[key].checksum) for key in written if key != GRAPH
    }
    with pytest.raises(ValueError, match="appeared while it was being written"):
        save_published(tmp_path / "written", model, "tensorflow")


def test_options_that_the_project_lacks():
    graph = torch.rand(3, 5, 5)
    for options, complaint in [
        ({}, "learns the importance of its edges"),
        ({"edges": "fixed"}, "the network has norm_eps 1e-05, dialect 'tensorflow' always 0.001"),
        ({"edges": "fixed", "norm_eps": 1e-3, "norm_momentum": 0.01}, "padding symmetric, .* always same"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            save_published("unused", STGCN(graph, 3, 4, widths=[8], **options), "tensorflow")
    with pytest.raises(ValueError, match="pads its convolutions over time as TensorFlow does"):
        save_published("unused.pth", STGCN(graph, 3, 4, widths=[8], padding="same"), "pyskl")


@given(st.integers(1, 40), st.integers(1, 4), st.sampled_from([1, 3, 5, 9]), st.sampled_from([4, 48]))
def test_same_padding(frames, stride, kernel, width):
    """ceil(T / stride) outputs; output i sees the kernel's frames around stride * i + (zeros in front less half of it).

    While training the gradients are those of torch's own convolution of the padded frames.
    """
    torch.manual_seed(0)
    layer = TemporalConvolution(width, kernel, stride, "same").double()
    x = torch.randn(2, width, frames, 1, dtype=torch.float64, requires_grad=True)
    outputs = -(-frames // stride)
    zeros = max(0, (outputs - 1) * stride + kernel - frames)
    before = zeros // 2
    padded = F.pad(x, (0, 0, before, zeros - before))
    expected = F.conv2d(padded, layer.weight, layer.bias, (stride, 1))
    assert expected.shape[2] == outputs
    for mode in (layer.eval(), layer.train()):
        found = mode(x)
        torch.testing.assert_close(found, expected)
    chosen = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad((found * chosen).sum(), [x, layer.weight, layer.bias]),
        torch.autograd.grad((expected * chosen).sum(), [x, layer.weight, layer.bias]),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


# ---- files that are wrong --------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(GOLDEN, tmp_path / "checkpoint"))


def changed(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_damage_is_named(copy):
    index, data = copy / "ckpt-1.index", copy / "ckpt-1.data-00000-of-00001"
    complete = data.read_bytes()
    for place in (0, 2000, len(complete) - 10):
        changed(data, place)
        if place != 0:  # there the counter of saves is, which is not read
            with pytest.raises(ValueError, match=r"data-00000-of-00001: '.*' was changed .* wrong checksum"):
                read_state(copy)
        data.write_bytes(complete)
    data.write_bytes(complete[: len(complete) // 2])
    with pytest.raises(ValueError, match=r"claim [\d,]+ bytes, ckpt-1.data-00000-of-00001 has"):
        read_state(copy)
    data.unlink()
    with pytest.raises(ValueError, match=r"ckpt-1\.data-00000-of-00001 is missing"):
        read_state(index)
    table = index.read_bytes()
    changed(index, 100)
    with pytest.raises(ValueError, match="block at byte 0 was changed"):
        read_state(index)
    index.write_bytes(table[:-1])
    with pytest.raises(ValueError, match="is it complete"):
        read_state(index)


def test_folder_that_names_no_checkpoint(copy):
    (copy / "checkpoint").write_text('model_checkpoint_path: "/other/machine/ckpt-7"\n')
    with pytest.raises(ValueError, match=r"'ckpt-7', but there is no .* beside it; there is ckpt-1"):
        find_index(copy)
    (copy / "checkpoint").unlink()
    assert find_index(copy) == copy / "ckpt-1.index"
    for file in list(copy.glob("ckpt-1.*")):
        shutil.copy(file, copy / file.name.replace("ckpt-1", "ckpt-2"))
    with pytest.raises(ValueError, match="has 2 checkpoints, name one: ckpt-1"):
        find_index(copy)


HEADER = {b"": number_field(1, 1)}


def entry(**fields: int) -> bytes:
    numbers = {"dtype": 1, "file": 3, "offset": 4, "size": 5}
    return b"".join(number_field(numbers[name], value) for name, value in fields.items())


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ({b"x": b""}, "it has no header"),
        ({b"": number_field(1, 10**9)}, "it names 1,000,000,000 data files"),
        ({b"": number_field(1, 1) + number_field(2, 1)}, "big-endian"),
        (HEADER | {b"x": entry(dtype=1, file=3)}, "in file 3 of 1"),
        (HEADER | {b"x": entry(dtype=1) + field(7, b"")}, "in slices"),
        (HEADER | {b"x": entry(dtype=1, size=10**15)}, "claim 1,000,000,000,000,000 bytes"),
        (HEADER | {b"%d" % i: entry(dtype=1, size=900) for i in range(9)}, "claim 8,100 bytes"),
        (HEADER | {b"%d" % i: b"" for i in range(20_001)}, "more than 20,000 entries"),
        (HEADER | {b"x" * 5000: b""}, "longer than there is room for"),
        (HEADER | {b"x": b"\xff"}, "not a protocol buffer"),
        (HEADER, "has no object graph"),
    ],
)
def test_hostile_tables(rows, complaint, tmp_path):
    """They have right checksums."""
    (tmp_path / "a.index").write_bytes(_packed_table(dict(sorted(rows.items()))))
    (tmp_path / "a.data-00000-of-00001").write_bytes(bytes(1000))
    with pytest.raises(ValueError, match=complaint):
        read_state(tmp_path / "a.index")


def test_blocks_that_are_listed_many_times(tmp_path):
    """A small file does not become a large table."""
    footer = _packed_table(HEADER)[-8:]
    rows = b"\0\0\x02" + number_field(1, 1)[:2]  # the header under the empty key
    block = rows + struct.pack("<2I", 0, 1)
    data = block + b"\0" + struct.pack("<I", masked_crc32c(block + b"\0"))
    listed = b"".join(b"\0\x01\x02x" + bytes([0, len(block)]) for _ in range(50)) + struct.pack("<2I", 0, 1)
    place = len(data)
    data += listed + b"\0" + struct.pack("<I", masked_crc32c(listed + b"\0"))
    handle = number_field(0, place)[1:] + number_field(0, len(listed))[1:]
    path = tmp_path / "a.index"
    path.write_bytes(data + (b"\0\0" + handle).ljust(40, b"\0") + footer)
    with pytest.raises(ValueError, match="its blocks are larger than the file"):
        read_state(path)
