"""PKU-MMD: actions cut out of recordings, labels and splits by their files, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings

PEOPLE = np.random.default_rng(0).normal(size=(10, 2, 25, 3))
PEOPLE[:5, 1] = 0
ROWS = "".join(" ".join(f"{it:.6f}" for it in frame.ravel()) + " \n" for frame in PEOPLE)
LABELS = "1,0,4,2\n16,5,10,1\n"


@pytest.fixture
def save(tmp_path):
    def write(rows=ROWS, labels=LABELS, name="0002-L"):
        for folder, text in (("PKU_Skeleton_Renew", rows), ("Train_Label_PKU_final", labels)):
            (tmp_path / folder).mkdir(exist_ok=True)
            if text:
                (tmp_path / folder / f"{name}.txt").write_text(text)
        return tmp_path / "PKU_Skeleton_Renew" / f"{name}.txt"

    return write


def test_actions_are_clips(save, tmp_path):
    save()
    save(name="0003-R")
    (tmp_path / "cross-subject.txt").write_text("Training videos:\n0002-L, 0002-M\nValidataion videos:\n0003-R\n")
    found = recordings(tmp_path)
    bow, hug, *_ = clips = list(found.clips)
    assert (found.format, found.units, bow.layout.name, bow.fps, len(clips)) == ("pku-mmd", "m", "ntu25", 30, 4)
    assert [(clip.name, found.class_names[clip.label]) for clip in (bow, hug)] == [
        ("0002-L_000000", "bow"),
        ("0002-L_000005", "hugging another person"),
    ]
    np.testing.assert_allclose(bow.keypoint, PEOPLE[0:4].swapaxes(0, 1), atol=1e-6)
    np.testing.assert_allclose(hug.keypoint, PEOPLE[5:10].swapaxes(0, 1), atol=1e-6)
    assert bow.splits == {"xview": "val", "xsub": "train"}
    assert clips[2].splits == {"xview": "train", "xsub": "val"}
    assert bow.attributes == {"recording": "0002", "view": "L"}


@pytest.mark.parametrize("name", ["0002-M", "A01N01-L"])
def test_one_file_finds_its_labels_and_is_one_clip_without_them(save, name):
    assert [clip.label for clip in read(save(name=name))] == [0, 15]
    (save(name=name).parent.parent / "Train_Label_PKU_final" / f"{name}.txt").unlink()
    (clip,) = (found := recordings(save(labels="", name=name))).clips
    assert (clip.name, clip.label, clip.frames) == (name, None, 10)
    assert "one clip without label" in found.assumed[0]


@pytest.mark.parametrize(
    ("rows", "labels", "reason"),
    [
        ("1 2 3\n", LABELS, "line 1 has 3 numbers, expected 2 x 25 x"),
        (ROWS, "52,0,4,2\n", "line 1 has action 52, expected 1 to 51"),
        (ROWS, "1,0,4,2\n1,2\n", "line 2 has 2 numbers, expected an action, first frame and end"),
        (ROWS, "1,0,40,2\n", "clip '0002-L_000000' is from frame 0 to 40, the recording has 10"),
        (ROWS, "1,4,4,2\n", "clip '0002-L_000004' is from frame 4 to 4"),
        ("0 " * 150, "1,0,1,2\n", "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(save, rows, labels, reason):
    assert recognise(save())[0].NAME == "pku-mmd"
    with pytest.raises(ValueError, match=reason):
        list(read(save(rows, labels), "pku-mmd"))
