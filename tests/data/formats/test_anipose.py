"""Anipose's places in space: numbers of frames, parts that were not seen, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import recordings

PARTS = ("nose", "left_paw", "right_paw", "back")
PLACES = (np.arange(3 * 4 * 3).reshape(3, 4, 3) + 100).astype(float)  # mm


def write(path, numbers=(0, 1, 3)):
    columns = [f"{part}_{what}" for part in PARTS for what in ("x", "y", "z", "error", "ncams", "score")]
    lines = [",".join([*columns, *(f"M_{i}{j}" for i in range(3) for j in range(3)), "center_0", "fnum"])]
    for number, frame in zip(numbers, PLACES, strict=True):
        cells = [f"{x},{y},{z},1.5,2,0.75" for x, y, z in frame]
        if number == 1:
            cells[1] = "nan,nan,nan,nan,0,nan"
        lines.append(",".join([*cells, *["0.0"] * 10, str(number)]))
    path.write_text("\n".join(lines))
    return path


def test_parts_of_a_recording(tmp_path):
    found = recordings(write(tmp_path / "walk.csv"), units="mm")
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.layout.joints) == ("anipose", "m", "walk", PARTS)
    np.testing.assert_allclose(clip.keypoint[0, [0, 3]], PLACES[[0, 2]] / 1000, rtol=1e-6)
    assert not clip.keypoint[0, 2].any()  # frame 2 has no row
    assert clip.score[0, 1].tolist() == [0.75, 0, 0.75, 0.75]
    assert clip.layout.mirror == ((1, 2),)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("nose_y", "nose_up"), "has no column 'nose_y'"),
        (("101.0", "often"), "line 2 holds a cell that is no number"),
        ((",0.0,0", ",0"), "line 2 has 34 cells, the header has 35"),
        ((",3", ",0"), "has a frame twice"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, change, reason):
    path = write(tmp_path / "a.csv")
    first, *rest, last = path.read_text().splitlines()
    lines = [first.replace(*change)] if "nose" in change[0] else [first]
    lines += [row if change[0] == ",3" else row.replace(*change, 1) for row in rest]
    lines.append(last[: -len(change[0])] + change[1] if change[0] == ",3" else last)
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"a\.csv {reason}"):
        list(recordings(path).clips)


def test_a_file_without_the_centre_is_no_table(tmp_path):
    path = write(tmp_path / "walk.csv")
    path.write_text(path.read_text().replace(",center_0", ",M_99"))
    assert recordings(path, units="mm").format == "anipose"


def test_an_unknown_unit_is_said_and_kept(tmp_path):
    """88 may be mm of a mouse or cm of a dog; joints of people have a size that is known."""
    path = write(tmp_path / "mouse.csv")
    found = recordings(path)
    (clip,) = found.clips
    assert found.units == "normalised"
    assert any("their unit is unknown: kept as they are (--units)" in line for line in found.assumed)
    (metres,) = recordings(path, units="mm").clips
    np.testing.assert_allclose(metres.keypoint, clip.keypoint / 1000, rtol=1e-5)
