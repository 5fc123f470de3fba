"""UAV-Human's text files: joints in pixels, several bodies, names, splits, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats import written

NAME = "P002S02G11B00H00UC022072LC021061A083R1_08301122"
BODY = np.random.default_rng(0).uniform(300, 500, (17, 2)).round(2)


def text(*frames):
    """Frames of bodies that are moved by so many pixels to the right."""
    lines = [str(len(frames))]
    for frame in frames:
        lines.append(str(len(frame)))
        for right in frame:
            lines += ["000 0 0 0 0 0 0 0 0 0", "17"]
            lines += [f"{x + right:.2f} {y:.2f} 0 0 0 0 0 0 0 0 0 0" for x, y in BODY]
    return "\n".join(lines) + "\n"


TWO = text([0, 600], [602, 2], [], [4])


def test_people_are_followed_and_the_name_counts(tmp_path):
    found = recordings(written(tmp_path / f"{NAME}.txt", TWO))
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.keypoint.shape) == (
        "uav-human",
        "px",
        "coco17",
        (2, 4, 17, 2),
    )
    assert (clip.label, found.class_names[clip.label], len(found.class_names)) == (83, "action 083", 155)
    assert (clip.attributes, clip.splits) == ({"subject": 2, "replication": 1}, {"csv1": "train", "csv2": "val"})
    one, other = sorted(clip.keypoint, key=lambda body: body[0, 0, 0])
    np.testing.assert_allclose(one[[0, 1, 3]], [BODY, BODY + [2, 0], BODY + [4, 0]], atol=0.01)
    np.testing.assert_allclose(other[:2], [BODY + [600, 0], BODY + [602, 0]], atol=0.01)
    assert not clip.keypoint[:, 2].any()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TWO.replace("\n17\n", "\n18\n", 1), "has a body of 18 joints, expected 17"),
        (TWO[:400], "is it cut"),
        (TWO + "1\n", "goes on after the last of its 4 frames"),
        (TWO.replace("4\n", "x\n", 1), "line 1: could not convert string to float"),
        (text([], []), "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(written(tmp_path / f"{NAME}.txt", content)))
