"""TFRecord shards, read and written without TensorFlow."""

import re
import struct
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.cli import main
from kinegraph.crc32c import POLYNOMIAL, ROW, ROWS, crc32c, masked_crc32c
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.data.formats import tfrecord
from kinegraph.data.formats.tfrecord import write_tfrecords
from kinegraph.data.read import recordings as any_recordings
from kinegraph.data.reading.files import tfrecord_wire as wire
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from tests import made_up
from tests.golden import FOLDER

# Written by TensorFlow 2.21.0: tf.train.Example of tf.io.serialize_tensor(array(i)) and a label, by TFRecordWriter.
# The other way round, shards of write_tfrecords were read with the same version by TFRecordDataset,
# parse_single_example and parse_tensor: shapes, labels and values were equal.
GOLDEN, GOLDEN_LABELS = FOLDER / "tensorflow.tfrecord", (0, 59, 300)


recordings = partial(any_recordings, format="tfrecord")


def golden_array(i: int) -> np.ndarray:
    return (np.arange(120, dtype=np.float32).reshape(3, 4, 5, 2) - 100 * i) / 8


def example(array: np.ndarray, label: int) -> bytes:
    return wire.serialize_example({"features": wire.serialize_tensor(array), "label": label})


def shard(path, *examples: bytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for data in examples:
            wire.write_record(file, data)
    return path


# ---- the format ------------------------------------------------------------------------------------------------------


def test_what_tensorflow_wrote_is_read():
    records = [data for _, data in wire.read_records(GOLDEN)]
    assert len(records) == wire.count_records(GOLDEN) == len(GOLDEN_LABELS)
    for i, (data, label) in enumerate(zip(records, GOLDEN_LABELS, strict=True)):
        found = wire.parse_example(data)
        assert found["label"] == [label]
        np.testing.assert_array_equal(wire.parse_tensor(found["features"][0]), golden_array(i))


def test_what_tensorflow_wrote_is_written_byte_for_byte(tmp_path):
    ours = shard(
        tmp_path / "ours.tfrecord", *(example(golden_array(i), label) for i, label in enumerate(GOLDEN_LABELS))
    )
    assert ours.read_bytes() == GOLDEN.read_bytes()


# RFC 3720, appendix B.4
@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"", 0),
    ],
)
def test_crc32c_of_the_standard(data, checksum):
    assert crc32c(data) == checksum


@settings(max_examples=30)
@given(st.integers(0, 3 * ROW), st.integers(0, 2**32 - 1))
def test_crc32c_is_that_of_one_bit_after_the_other(length, seed):
    data = np.random.default_rng(seed).bytes(length)
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (POLYNOMIAL if remainder & 1 else 0)
    assert crc32c(data) == remainder ^ 0xFFFFFFFF


def test_crc32c_of_more_than_one_block_of_rows():
    data = np.random.default_rng(0).bytes(2 * ROW * ROWS + 77)
    # Checksums are linear: three texts of one length have that of their exclusive or.
    other = np.random.default_rng(1).bytes(len(data))
    both = bytes(np.frombuffer(data, np.uint8) ^ np.frombuffer(other, np.uint8))
    assert crc32c(data) ^ crc32c(other) ^ crc32c(bytes(len(data))) == crc32c(both)
    assert crc32c(data[:-1]) != crc32c(data)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), st.binary() | st.integers(-(2**63), 2**63 - 1)))
def test_an_example_comes_back(features):
    assert wire.parse_example(wire.serialize_example(features)) == {name: [one] for name, one in features.items()}


def test_integers_one_by_one_and_unknown_fields_are_read():
    # Feature.int64_list of 7 and 8, not packed; a field 9 of every kind that protocol buffers have, to pass over.
    unknown = b"\x48\x01" + b"\x49" + bytes(8) + b"\x4a\x02hi" + b"\x4d" + bytes(4)
    feature = b"\x1a\x04\x08\x07\x08\x08" + unknown
    entry = b"\x0a\x01a\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    assert wire.parse_example(unknown + b"\x0a" + bytes([len(features)]) + features) == {"a": [7, 8]}


@settings(max_examples=50)
@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_value_error(data):
    for parse in (wire.parse_example, wire.parse_tensor):
        try:
            parse(data)
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017


# ---- broken files ----------------------------------------------------------------------------------------------------


def broken(tmp_path, change) -> str:
    """What is said about a shard of three 5-joint clips after `change` of its bytes."""
    path = shard(tmp_path / "x-0.tfrecord", *(example(golden_array(1), label) for label in range(3)))
    content = bytearray(path.read_bytes())
    path.write_bytes(change(content))
    with pytest.raises(ValueError) as error:
        for _ in wire.read_records(path):
            pass
    return str(error.value).removeprefix(f"{path}: ")


def test_each_way_to_break_a_record_is_told(tmp_path):
    size = len(example(golden_array(1), 0)) + 16
    second = f"record 1 at byte {size:,}: "

    def flip(place):
        def change(content):
            content[place] ^= 1
            return bytes(content)

        return change

    assert broken(tmp_path, flip(size)) == second + "the length's checksum is wrong"
    assert broken(tmp_path, flip(size + 9)) == second + "the length's checksum is wrong"
    assert broken(tmp_path, flip(size + 100)) == second + "the data's checksum is wrong"
    assert broken(tmp_path, flip(2 * size - 1)) == second + "the data's checksum is wrong"
    assert broken(tmp_path, lambda content: content[: size + 5]).startswith(second + "truncated, the file ends 5 bytes")
    ended = broken(tmp_path, lambda content: content[: 2 * size - 1])
    assert ended == second + f"truncated, {size - 16} bytes of data are announced, {size - 13} bytes are there"
    assert "gunzip" in broken(tmp_path, lambda content: b"\x1f\x8b\x08\0" + bytes(40))


def test_a_length_beyond_the_file_takes_no_memory(tmp_path):
    length = struct.pack("<Q", 2**40)
    path = tmp_path / "huge-0.tfrecord"
    path.write_bytes(length + struct.pack("<I", masked_crc32c(length)) + bytes(100))
    tracemalloc.start()
    with pytest.raises(ValueError, match="truncated, 1,099,511,627,776 bytes of data are announced, 100 bytes"):
        next(wire.read_records(path))
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    assert wire.count_records(path) == 1


def test_a_broken_record_stops_prepare(tmp_path, capsys):
    path = shard(tmp_path / "raw/train-0.tfrecord", *(example(np.ones((3, 4, 25, 2)), label) for label in range(3)))
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    assert main(["prepare", "tfrecord", str(path.parent), str(tmp_path / "out")]) == 2
    assert "train-0.tfrecord: record 2 at byte" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\x7f", "a field is longer than its message"),
        (wire.serialize_example({"label": 1}), "'features' is not one value"),
        (wire.serialize_example({"features": b"", "label": b"1"}), "'label' is not one value"),
        (wire.serialize_example({"features": b"\x08\x09", "label": 1}), "of TensorFlow's type 9, expected 1"),
        (example(np.zeros((3, 4, 25)), 1), r"shape \(3, 4, 25\), expected"),
        (
            wire.serialize_example({"features": wire.serialize_tensor(np.zeros((3, 4, 25, 2)))[:-1], "label": 1}),
            "a field is longer",
        ),
        (example(np.ones((3, 4, 24, 2)), 1), "has 24 joints in 3 channels, the first one 25 in 3"),
        (example(np.ones((3, 4, 25, 2)), 60), "label 60, the 60 classes are 0 to 59"),
    ],
)
def test_an_example_that_is_no_clip_is_told(tmp_path, data, reason):
    path = shard(tmp_path / "x-0.tfrecord", *[example(np.ones((3, 4, 25, 2)), 1)] * tfrecord.LOOKED_AT, data)
    with pytest.raises(ValueError, match=rf"x-0.tfrecord: .*{reason}"):
        list(recordings(path).clips)


def test_a_tensor_of_another_size_than_it_says_is_told():
    short = wire.serialize_tensor(np.zeros(4)).replace(b"\x08\x04", b"\x08\x05")
    with pytest.raises(ValueError, match=r"of shape \(5,\) holds 16 bytes, expected 20"):
        wire.parse_tensor(short)


# ---- clips -----------------------------------------------------------------------------------------------------------


def test_shards_of_the_tensorflow_project_become_clips(tmp_path):
    rng = np.random.default_rng(0)
    arrays = np.zeros((4, 3, 10, 25, 2), np.float32)
    arrays[0, :, :7, :, 0] = rng.normal(size=(3, 7, 25))  # one person, 7 frames
    arrays[1] = rng.normal(size=(3, 10, 25, 2))
    arrays[3, :, 2:5, :, 1] = rng.normal(size=(3, 3, 25))  # the second person alone, from frame 2
    folder = tmp_path / "xview"
    (folder / "train_data").mkdir(parents=True)
    (folder / "train_data/train_data_joint-0.tfrecord").touch()  # as written where there are fewer clips than shards
    for number in (1, 10, 2):
        shard(folder / f"train_data/train_data_joint-{number}.tfrecord", example(arrays[0], number))
    shard(folder / "val_data/val_data_joint-0.tfrecord", *(example(array, 5) for array in arrays[1:]))
    found = recordings(folder)
    clips = list(found.clips)
    assert found.count == 6
    assert found.skipped() == ["1 without any person: val_data_joint-0-000001"]
    assert [clip.label for clip in clips] == [1, 2, 10, 5, 5]  # in the order of the shards' numbers
    assert [clip.splits["xview"] for clip in clips] == ["train"] * 3 + ["val"] * 2
    assert [clip.keypoint.shape for clip in clips[2:]] == [(1, 7, 25, 3), (2, 10, 25, 3), (1, 5, 25, 3)]
    np.testing.assert_array_equal(clips[0].keypoint[0], arrays[0, :, :7, :, 0].transpose(1, 2, 0))
    np.testing.assert_array_equal(clips[3].keypoint[1], arrays[1, :, :, :, 1].transpose(1, 2, 0))
    assert (found.layout.name, len(found.class_names)) == ("ntu25", 60)


def test_folders_that_are_none_are_told(tmp_path):
    with pytest.raises(ValueError, match="there is no file or folder"):
        recordings(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"there is no .tfrecord file"):
        recordings(tmp_path)
    (tmp_path / "x-0.tfrecord").touch()
    with pytest.raises(ValueError, match=r"there is no record in .*x-0.tfrecord"):
        recordings(tmp_path)
    shard(tmp_path / "train_data/train-0.tfrecord", example(golden_array(0), 0))
    with pytest.raises(ValueError, match=r"x-0.tfrecord is neither train nor val"):
        recordings(tmp_path)
    options = {"class_names": "ntu60"}
    with pytest.raises(ValueError, match="5 joints in 3D are of no layout"):
        recordings(tmp_path / "train_data", **options)


# ---- writing ---------------------------------------------------------------------------------------------------------


def same_clip(a: SkeletonClip, b: SkeletonClip) -> bool:
    arrays = np.array_equal(a.keypoint, b.keypoint) and (a.score is b.score or np.array_equal(a.score, b.score))
    return arrays and (a.name, a.label, a.fps, a.image_size, dict(a.splits)) == (
        (b.name, b.label, b.fps, b.image_size, dict(b.splits))
    )


def test_a_dataset_comes_back_from_its_shards(tmp_path):
    dataset = made_up.dataset(tmp_path / "data", 27)
    options = ["--format", "tfrecord", "--shards", "4", "--frames", "20"]
    assert main(["convert", str(tmp_path / "data"), str(tmp_path / "shards"), *options]) == 0
    sizes = [wire.count_records(tmp_path / f"shards/val_data/val_data_joint-{i}.tfrecord") for i in range(4)]
    assert sizes == [2, 2, 2, 3]  # the last takes the rest
    assert main(["prepare", "tfrecord", str(tmp_path / "shards"), str(tmp_path / "back")]) == 0
    back = open_dataset(tmp_path / "back")
    assert (back.class_names, back.layout, back.units) == (dataset.class_names, dataset.layout, dataset.units)
    assert len(back) == len(dataset)
    for clip in dataset:
        assert same_clip(clip, back[back.names.index(clip.name)])


def test_shards_are_tensors_for_the_tensorflow_project(tmp_path):
    dataset = made_up.dataset(tmp_path / "data", 6)
    write_tfrecords(tmp_path / "shards", dataset, {"train": np.array([4, 1])}, shards=40)
    paths = sorted((tmp_path / "shards/train_data").iterdir())
    assert [path.name for path in paths] == ["train_data_joint-0.tfrecord", "train_data_joint-1.tfrecord"]
    for path, clip in zip(paths, (dataset[4], dataset[1]), strict=True):
        ((_, data),) = wire.read_records(path)
        found = wire.parse_example(data)
        tensor = wire.parse_tensor(found["features"][0])
        assert (tensor.shape, tensor.dtype, found["label"]) == ((3, 300, 25, 2), np.float32, [clip.label])
        np.testing.assert_array_equal(tensor[:, : clip.frames, :, : clip.people].transpose(3, 1, 2, 0), clip.keypoint)
        assert not tensor[:, clip.frames :].any()
        assert not tensor[..., clip.people :].any()


def test_scores_pixels_rates_and_empty_ends_come_back(tmp_path):
    rng, layout = np.random.default_rng(0), load_layout("coco17")
    clips = []
    for i, (people, frames) in enumerate([(2, 5), (3, 8)]):
        keypoint = rng.uniform(0, 1000, (people, frames, 17, 2)).astype(np.float32)
        keypoint[:, -2:] = 0
        keypoint[-1] = 0
        score = rng.uniform(0, 1, (people, frames, 17)).astype(np.float32)
        clips.append(SkeletonClip(keypoint, layout, f"é{i}", i, score, fps=25.0, image_size=(640, 480)))
    dataset = write_dataset(
        tmp_path / "data", clips, layout=layout, class_names=["a", "b"], units="px", source="made up"
    )
    write_tfrecords(tmp_path / "shards", dataset, {"": np.arange(2)}, frames=8, people=3)
    found = recordings(tmp_path / "shards")
    assert found.units == "px"
    assert all(same_clip(a, b) for a, b in zip(dataset, found.clips, strict=True))


def test_shuffling_keeps_every_clip_and_follows_its_seed(tmp_path):
    dataset = made_up.dataset(tmp_path / "data", 12)
    orders = []
    for number, seed in enumerate((None, 1, 1, 2)):
        write_tfrecords(tmp_path / f"{number}", dataset, {"": np.arange(12)}, shards=5, frames=20, shuffle_seed=seed)
        orders.append([clip.name for clip in recordings(tmp_path / f"{number}").clips])
    assert orders[0] == dataset.names
    assert orders[1] == orders[2]
    assert len({*map(tuple, orders)}) == 3
    assert all(sorted(order) == sorted(dataset.names) for order in orders)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--frames", "15"], "frames.*give --frames 18"),
        (["--people", "1"], "has 2 people.*give --people 2"),
        (["--shards", "0"], "0 shards"),
        (["--split", "xview"], "has no split 'xview'"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_written(tmp_path, capsys, options, reason):
    made_up.dataset(tmp_path / "data", 6)
    options = ["--format", "tfrecord", *options]
    assert main(["convert", str(tmp_path / "data"), str(tmp_path / "shards"), *options]) == 2
    assert re.search(reason, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_only_shards_are_replaced_and_only_when_told(tmp_path, capsys):
    made_up.dataset(tmp_path / "data", 6)
    call = ["convert", str(tmp_path / "data"), str(tmp_path / "shards"), "--format", "tfrecord", "--shards"]
    assert [main([*call, "1"]), main([*call, "1"]), main([*call, "2", "--overwrite"])] == [0, 2, 0]
    assert "give --overwrite" in capsys.readouterr().err
    assert len(list(tmp_path.glob("shards/train_data/*.tfrecord"))) == 2
    (tmp_path / "shards/mine.txt").touch()
    assert main([*call, "2", "--overwrite"]) == 2
    assert (tmp_path / "shards/mine.txt").exists()
