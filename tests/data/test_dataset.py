"""The dataset folder: exact round trip, whole or not at all, and every damage named."""

import csv
import json
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.data.repair import at_rate
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout
from kinegraph.skeleton.segment import Segment
from tests import made_up

LAYOUT = JointLayout("stick", ("hip", "neck", "head"), ((1, 0), (2, 1)), centre=0)
ABOUT = {"layout": LAYOUT, "class_names": ("walk", "sit, then stand"), "units": "m", "source": "made for a test"}


def clip(name="a", people=1, frames=4, label=0, seed=0, **changes):
    keypoint = np.random.default_rng(seed).standard_normal((people, frames, 3, 3)).astype(np.float32)
    about = {"attributes": {"subject": seed + 1, "room": "lab"}, "splits": {"xsub": "val" if seed % 2 else "train"}}
    return SkeletonClip(**{"keypoint": keypoint, "layout": LAYOUT, "name": name, "label": label, **about, **changes})


def clips(count=5):
    return [clip(f"clip{i}", people=1 + i % 2, frames=3 + i, label=i % 2, seed=i) for i in range(count)]


@pytest.fixture
def folder(tmp_path):
    return write_dataset(tmp_path / "set", clips(), **ABOUT).path


def assert_same(a: SkeletonClip, b: SkeletonClip):
    np.testing.assert_array_equal(a.keypoint, b.keypoint)
    assert (a.score is None) == (b.score is None)
    if a.score is not None:
        np.testing.assert_array_equal(a.score, b.score)
    for key in ("layout", "name", "label", "fps", "image_size"):
        assert getattr(a, key) == getattr(b, key)
    assert (dict(a.attributes), dict(a.splits)) == (dict(b.attributes), dict(b.splits))


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.sampled_from('," '), min_size=1, max_size=8
)


@st.composite
def recordings(draw):
    names = draw(st.lists(TEXT, min_size=1, max_size=5, unique=True))
    channels, scored = draw(st.sampled_from((2, 3))), draw(st.booleans())
    found = []
    for i, name in enumerate(names):
        shape = draw(st.integers(1, 3)), draw(st.integers(1, 5)), 3
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        found.append(
            SkeletonClip(
                keypoint=rng.standard_normal((*shape, channels)).astype(np.float32),
                layout=LAYOUT,
                name=name,
                label=draw(st.none() | st.integers(0, 1)),
                score=rng.random(shape, np.float32) if scored else None,
                fps=draw(st.none() | st.floats(1, 240)),
                image_size=draw(st.none() | st.tuples(st.integers(1, 4000), st.integers(1, 4000))),
                attributes={"subject": draw(st.integers(-(2**40), 2**40)), "place": draw(TEXT)},
                splits={"xsub": draw(TEXT), "xview": ("train", "val")[i % 2]},
            )
        )
    return found


@settings(max_examples=40)
@given(recordings())
def test_what_is_written_is_read(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("round") / "set"
    write_dataset(path, iter(found), **ABOUT)
    dataset = open_dataset(path, check_values=True)
    assert len(dataset) == len(found)
    for i, expected in enumerate(found):
        assert_same(dataset[i], expected)
    assert dataset.label.tolist() == [-1 if clip.label is None else clip.label for clip in found]
    assert (dataset.class_names, dataset.units, dataset.source) == (ABOUT["class_names"], "m", "made for a test")


def test_float16_is_float32_rounded(tmp_path):
    dataset = write_dataset(tmp_path / "set", clips(), dtype="float16", **ABOUT)
    for i, expected in enumerate(clips()):
        np.testing.assert_array_equal(dataset[i].keypoint, expected.keypoint.astype(np.float16))
        assert dataset[i].keypoint.dtype == np.float32


def test_a_clip_is_a_copy(folder):
    dataset = open_dataset(folder)
    dataset[1].keypoint[:] = 7
    assert_same(dataset[1], clips()[1])
    assert_same(dataset[-4], clips()[1])
    with pytest.raises(IndexError):
        dataset[5]
    for odd in (1.0, [0, 1]):
        with pytest.raises(TypeError, match="takes a number, a name or a slice, found"):
            dataset[odd]


def test_a_dataset_is_a_sequence_with_names(folder):
    dataset = open_dataset(folder)
    name = dataset.names[2]
    assert_same(dataset[name], dataset[2])
    assert [clip.name for clip in dataset[1:4]] == dataset.names[1:4]
    assert [clip.name for clip in dataset] == dataset.names
    assert (name in dataset, "nobody" in dataset) == (True, False)
    with pytest.raises(KeyError, match="there is no clip 'nobody' in "):
        dataset["nobody"]
    assert len(repr(dataset)) < 200 + len(str(folder))
    table = dataset.clips
    assert table["name"] == dataset.names
    assert table["frames"] == dataset.frames.tolist()
    assert {len(column) for column in table.values()} == {len(dataset)}


def test_splits(folder):
    dataset = open_dataset(folder)
    assert dataset.parts("xsub") == ("train", "val")
    assert dataset.indices("xsub", "val").tolist() == [1, 3]
    with pytest.raises(ValueError, match="no split 'xview'; its splits are xsub"):
        dataset.indices("xview", "val")
    with pytest.raises(ValueError, match="no part 'test'; its parts are train, val"):
        dataset.indices("xsub", "test")


def test_memory_does_not_grow_with_the_clips(tmp_path):
    """A clip is let go before the next but one is asked for: the writer holds none back."""
    import weakref

    alive = []

    def one_at_a_time():
        for i in range(6):
            assert sum(past() is not None for past in alive) <= 2, "written clips are kept"
            made = clip(f"clip{i}", seed=i)
            alive.append(weakref.ref(made))
            yield made

    assert len(write_dataset(tmp_path / "set", one_at_a_time(), **ABOUT)) == 6


# ---- whole or not at all -------------------------------------------------------------------------------------------


def breaking():
    yield from clips(3)
    raise OSError("the disk is gone")


def test_a_run_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="the disk is gone"):
        write_dataset(tmp_path / "set", breaking(), **ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_overwrite_replaces_only_with_a_whole_dataset(tmp_path):
    path = write_dataset(tmp_path / "set", clips(), **ABOUT).path
    with pytest.raises(ValueError, match=r"exists; .*--overwrite"):
        write_dataset(path, clips(2), **ABOUT)
    with pytest.raises(OSError, match="the disk is gone"):
        write_dataset(path, breaking(), overwrite=True, **ABOUT)
    assert len(open_dataset(path, check_values=True)) == 5
    assert len(write_dataset(path, clips(2), overwrite=True, **ABOUT)) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_overwrite_spares_what_is_no_dataset(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="not a dataset folder"):
        write_dataset(tmp_path, clips(), overwrite=True, **ABOUT)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_remains_of_a_killed_run_do_not_disturb(tmp_path):
    (tmp_path / ".set.partial-0000").mkdir()
    (tmp_path / ".set.partial-0000" / "keypoint.npy").write_bytes(b"half")
    assert len(write_dataset(tmp_path / "set", clips(), **ABOUT)) == 5


def test_a_linked_folder_is_replaced_where_it_is(tmp_path):
    real = write_dataset(tmp_path / "disk" / "set", clips(), **ABOUT).path
    (tmp_path / "link").symlink_to(real)
    write_dataset(tmp_path / "link", clips(2), overwrite=True, **ABOUT)
    assert (tmp_path / "link").is_symlink()
    assert len(open_dataset(real)) == 2


# ---- what is refused -----------------------------------------------------------------------------------------------

OTHER = JointLayout("other", ("hip", "neck", "hat"), ((1, 0), (2, 1)), centre=0)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (clip("odd", keypoint=np.full((1, 2, 3, 3), np.nan, np.float32)), "not finite"),
        (clip("odd", label=2), "label 2, the 2 classes are 0 to 1"),
        (clip("odd", label=-1), "label -1"),
        (clip("odd", layout=OTHER), "layout 'other'.*'stick'"),
        (clip("odd", keypoint=np.zeros((1, 2, 3, 2), np.float32)), "2 channels, .* 3"),
        (clip("odd", score=np.zeros((1, 4, 3), np.float32)), "has a score"),
        (clip("odd", people=0), "0 people"),
        (clip("odd", frames=0), "0 frames"),
        (clip("odd", attributes={"subject": 1}), "attributes subject, .* subject, room"),
        (
            clip("odd", attributes={"subject": "one", "room": "lab"}),
            "subject 'one', expected a whole number, as the others",
        ),
        (clip("odd", splits={"xview": "train"}), "splits xview, .* xsub"),
        (clip("odd", splits={"xsub": ""}), "no part of split 'xsub'"),
        (clip("odd", label=0.5), "label 0.5"),
        (clip("odd", image_size=(0, 5)), "image size"),
        (clip("odd", image_size=(640.5, 480)), "image size"),
        (clip("odd", fps=-25.0), "fps -25.0, expected frames a second above 0"),
        (clip("odd", fps=float("inf")), "fps inf"),
        (clip("odd", fps="25"), "fps '25'"),
        (clip("odd", fps=10**400), "fps 1000"),
        (
            clip("odd", attributes={"subject": 2**63, "room": "lab"}),
            "subject 9223372036854775808, expected a number of",
        ),
        (clip("odd", attributes={"subject": 1, "room": "lab\ud800"}), "line break or control character in"),
        (clip("odd", attributes={"subject": 1, "room": "lab\r3"}), "line break or control character in"),
    ],
)
def test_a_clip_that_does_not_fit_is_named(tmp_path, odd, reason):
    with pytest.raises(ValueError, match=f"clip 'odd' .*{reason}"):
        write_dataset(tmp_path / "set", [*clips(), odd], **ABOUT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"class_names": [0, 1]}, "class 0 is named 0, expected a text"),
        ({"class_names": ["a b", "a\nb"]}, "both named 'a b'"),
        ({"source": None}, "source is None, expected a text"),
        ({"licence": None}, "licence is None, expected a text"),
        ({"none": 2}, "none is 2, expected the number of a class, 0 to 1"),
        ({"none": "sit"}, "none is 'sit', expected the number"),
    ],
)
def test_what_could_not_be_opened_again_replaces_nothing(tmp_path, about, message):
    path = write_dataset(tmp_path / "set", clips(), **ABOUT).path
    with pytest.raises(ValueError, match=message):
        write_dataset(path, clips(2), overwrite=True, **ABOUT | about)
    with pytest.raises(ValueError, match=r"'a\\nb' cannot name an attribute or a split, expected a line of text"):
        write_dataset(path, [clip(attributes={"a\nb": 3})], overwrite=True, **ABOUT)
    assert len(open_dataset(path, check_values=True)) == 5


def test_numbers_of_numpy_are_numbers(tmp_path):
    found = write_dataset(
        tmp_path / "set",
        [clip("one", label=np.int64(1), image_size=np.array([640.0, 480.0]), fps=np.float32(25))],
        **ABOUT | {"none": np.int64(1)},
    )
    assert (found[0].label, found[0].image_size, found[0].fps, found.none) == (1, (640, 480), 25.0, 1)


def test_a_layout_may_be_given_by_name(tmp_path):
    named = ABOUT | {"layout": "ntu25", "class_names": [*"abc"]}
    assert write_dataset(tmp_path / "set", made_up.clips(3), **named).layout == load_layout("ntu25")


def test_odd_collections_are_refused(tmp_path):
    path = tmp_path / "set"
    with pytest.raises(ValueError, match="two clips are named 'clip1'"):
        write_dataset(path, [*clips(), clip("clip1")], **ABOUT)
    with pytest.raises(ValueError, match="no clips"):
        write_dataset(path, [], **ABOUT)
    with pytest.raises(ValueError, match=r"^clip 'two lines': 'frames' cannot name"):
        write_dataset(path, [clip("two\nlines", attributes={"frames": 3})], **ABOUT)
    with pytest.raises(ValueError, match="clip 'far' holds a value too large for float16"):
        write_dataset(path, [clip("far", keypoint=np.full((1, 2, 3, 3), 1e5, np.float32))], dtype="float16", **ABOUT)
    with pytest.raises(ValueError, match=r"float64.*expected float32 or float16"):
        write_dataset(path, clips(), dtype="float64", **ABOUT)
    with pytest.raises(ValueError, match=r"^units is 'feet', expected m or px or normalised$"):
        write_dataset(path, clips(), **ABOUT | {"units": "feet"})
    with pytest.raises(ValueError, match=r"^the classes 0 and 2 are both named 'sit'"):
        write_dataset(path, clips(), **ABOUT | {"class_names": ["sit", "stand", "sit"]})
    with pytest.raises(ValueError, match="class_names is the text 'sit', expected a list with a name for each"):
        write_dataset(path, clips(), **ABOUT | {"class_names": "sit"})
    assert not path.exists()


# ---- what is found out on opening ----------------------------------------------------------------------------------


def edit_table(folder, change):
    """Apply `change` to the rows of clips.csv as dicts."""
    with (folder / "clips.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    columns = list(rows[0])
    change(rows)
    with (folder / "clips.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, columns)
        writer.writeheader()
        writer.writerows(rows)


def edit_about(folder, **changes):
    about = json.loads((folder / "dataset.json").read_text())
    about = {key: value for key, value in (about | changes).items() if key != "sha256_of_this"}
    (folder / "dataset.json").write_text(json.dumps(about))


def shorten(file):
    file.write_bytes(file.read_bytes()[:-40])


DAMAGE = {
    "truncated": (lambda f: shorten(f / "keypoint.npy"), "keypoint.npy has .* bytes, expected"),
    "no header": (lambda f: (f / "keypoint.npy").write_bytes(b"x" * 99), "keypoint.npy is not readable"),
    "other array": (
        lambda f: np.save(f / "keypoint.npy", np.zeros((2, 3, 3))),
        r"float64 \(2, 3, 3\), dataset.json says",
    ),
    "no array": (lambda f: (f / "keypoint.npy").unlink(), "no .*keypoint.npy"),
    "no table": (lambda f: (f / "clips.csv").unlink(), "no .*clips.csv"),
    "row lost": (lambda f: edit_table(f, lambda rows: rows.pop(2)), "has 4 clips, dataset.json says 5"),
    "rows swapped": (lambda f: edit_table(f, lambda rows: rows.reverse()), "clip 'clip4' starts at row .* ends at 0"),
    "label": (
        lambda f: edit_table(f, lambda rows: rows[3].update(label="2")),
        "clip 'clip3' has label 2, the 2 classes",
    ),
    "fps": (lambda f: edit_table(f, lambda rows: rows[3].update(fps="-5")), "clip 'clip3' has fps -5.0"),
    "letters": (lambda f: edit_table(f, lambda rows: rows[3].update(frames="six")), "clip 'clip3' has frames 'six'"),
    "empty cell": (lambda f: edit_table(f, lambda rows: rows[3].update(people="")), "clip 'clip3' has people ''"),
    "no frames": (lambda f: edit_table(f, lambda rows: rows[3].update(frames="0")), "clip 'clip3' has .* 0 frames"),
    "last frames": (
        lambda f: edit_table(f, lambda rows: rows[4].update(frames="8")),
        "rows together, dataset.json says",
    ),
    "name twice": (lambda f: edit_table(f, lambda rows: rows[3].update(name="clip0")), "two clips are named 'clip0'"),
    "part": (
        lambda f: edit_table(f, lambda rows: rows[3].update(xsub="vall")),
        "'clip3' is in part 'vall' of split 'xsub'",
    ),
    "column": (lambda f: edit_about(f, attributes={"age": "int"}), "no column 'age'"),
    "extra column": (lambda f: edit_about(f, attributes={"subject": "int"}), "a column 'room'"),
    "ragged": (lambda f: (f / "clips.csv").write_text((f / "clips.csv").read_text() + "x,1\n"), "not a readable table"),
    "version": (lambda f: edit_about(f, version=99), "format version 99, this Kinegraph reads version 1"),
    "format": (lambda f: edit_about(f, format="shoes"), "does not describe"),
    "field": (lambda f: edit_about(f, units=3), "'units' is 3, expected str"),
    "layout": (lambda f: edit_about(f, layout={"name": "x"}), "the layout lacks 'joints'"),
    "json": (lambda f: shorten(f / "dataset.json"), "not readable JSON"),
    "no json": (lambda f: (f / "dataset.json").unlink(), "not a dataset folder"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(folder, damage):
    do, message = DAMAGE[damage]
    do(folder)
    with pytest.raises(ValueError, match=message) as error:
        open_dataset(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match=r"no dataset folder .*kinegraph prepare"):
        open_dataset(tmp_path / "nothing")


def test_values_that_are_not_finite_are_named(folder):
    array = np.load(folder / "keypoint.npy", mmap_mode="r+")
    array[open_dataset(folder).offset[2] + 1, 0, 2] = np.nan
    array.flush()
    edit_about(folder, crc32={})  # as an earlier version wrote it
    dataset = open_dataset(folder)
    assert_same(dataset[1], clips()[1])
    with pytest.raises(ValueError, match="clip 'clip2' holds values that are not finite"):
        dataset[2]
    with pytest.raises(ValueError, match="clip 'clip2' holds values that are not finite"):
        open_dataset(folder, check_values=True)


def test_changed_values_are_found(folder):
    array = np.load(folder / "keypoint.npy", mmap_mode="r+")
    array[0] += 1
    array.flush()
    with pytest.raises(ValueError, match=r"keypoint.npy was changed after it was written \(from byte 0 on\)"):
        open_dataset(folder)[0]
    edit_about(folder, crc32={})  # as an earlier version wrote it: only a whole check finds it
    open_dataset(folder)[0]
    with pytest.raises(ValueError, match=r"keypoint.npy was changed after it was written"):
        open_dataset(folder, check_values=True)


def test_values_that_change_while_the_dataset_is_open_are_found(folder):
    """Also where the time of the change is put back, as `cp -p` and `rsync -t` do."""
    dataset = open_dataset(folder, check_values=True)
    path = folder / "keypoint.npy"
    before, values = path.stat(), bytearray(path.read_bytes())
    values[-1] ^= 1
    path.write_bytes(values)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ValueError, match="changed after it was written"):
        dataset[len(dataset) - 1]


# ---- worker processes ----------------------------------------------------------------------------------------------


def _sum(dataset, index):
    return float(dataset[index].keypoint.sum())


def test_a_dataset_travels_as_its_path(folder, monkeypatch):
    """Opened by a relative path and read from, it pickles small, and is right in a fresh process elsewhere."""
    monkeypatch.chdir(folder.parent)
    dataset = open_dataset("set")
    sums = [_sum(dataset, i) for i in range(5)]
    assert len(pickle.dumps(dataset)) < 1000
    monkeypatch.chdir("/")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(_sum, [dataset] * 5, range(5))) == sums


def test_clips_may_be_had_without_their_scores(tmp_path):
    scored = clip("one", score=np.ones((1, 4, 3), np.float32), frames=4, people=1)
    without = write_dataset(tmp_path / "set", [scored], **ABOUT).without_scores()
    for dataset in (without, pickle.loads(pickle.dumps(without))):
        assert dataset[0].score is None
        assert not dataset.has_score


def test_overwriting_spares_what_is_not_of_the_dataset(tmp_path):
    made_up.dataset(tmp_path / "dataset")
    (tmp_path / "dataset" / "raw").mkdir()
    clips, layout = made_up.clips(6), load_layout("ntu25")
    with pytest.raises(ValueError, match="also holds 'raw'"):
        write_dataset(
            tmp_path / "dataset", clips, layout=layout, class_names=[*"abc"], units="m", source="", overwrite=True
        )
    assert (tmp_path / "dataset" / "raw").is_dir()


def test_long_recordings_keep_their_segments(tmp_path):
    """Two people at once, and a recording in which nothing is done; again after a copy at half the frame rate."""
    segments = (Segment(0, 4, 0), Segment(2, 6, 1, "2"))
    recording = replace(clip("long", frames=8), label=None, segments=segments, fps=30.0)
    empty = replace(recording, name="empty", segments=())
    dataset = write_dataset(tmp_path / "d", [recording, empty], **ABOUT, none=1)
    assert dataset.segments == (segments, ())
    assert dataset.none == 1
    assert dataset[0].segments == segments
    assert dataset.labels_of(0).sum(0).tolist() == [4, 4]
    half = at_rate(dataset[0], 15.0)
    assert half.frames == 5
    assert [(one.start, one.end) for one in half.segments] == [(0, 2), (1, 3)]
    file = tmp_path / "d" / "segments.csv"
    assert file.read_text() == 'recording,start,end,label,person\nlong,0,4,walk,\nlong,2,6,"sit, then stand",2\n'
    for wrong in (
        "long,0,4,z,",
        "long,0,9,walk,",
        "long,4,4,walk,",
        "other,0,1,walk,",
        "long,0,4,walk",
        "long,-1,4,walk,",
    ):
        file.write_text(f"recording,start,end,label,person\n{wrong}\n")
        with pytest.raises(ValueError, match=r"segments\.csv line 2"):
            open_dataset(tmp_path / "d")
    file.write_text("recording,start,end,label,person\nlong,0,5,walk,\n")
    with pytest.raises(ValueError, match="was changed after it was written"):
        open_dataset(tmp_path / "d")


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ((Segment(0, 9, 0),), "from frame 0 to 9, expected some of its 8 frames"),
        ((Segment(0, 1, 7),), "a segment of class 7"),
        (None, "has no segments, the clips before it have"),
    ],
)
def test_a_recording_with_segments_that_do_not_fit_is_refused(tmp_path, segments, message):
    first = replace(clip("first", frames=8), label=None, segments=(), fps=30.0)
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path / "d", [first, replace(first, name="second", segments=segments)], **ABOUT)
    assert not (tmp_path / "d").exists()
