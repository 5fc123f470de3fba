"""Florence 3D Actions: one file of all clips, its units and vertical by the bodies, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats import saving

# A standing body in millimetres, y upward: head, neck, spine, left and right arm, left and right leg.
BODY = np.array(
    [
        [0, 700, 2500], [0, 500, 2500], [0, 250, 2500], [180, 480, 2500], [250, 200, 2450], [260, -50, 2400],
        [-180, 480, 2500], [-250, 200, 2450], [-260, -50, 2400], [100, 0, 2500], [110, -450, 2500], [110, -850, 2520],
        [-100, 0, 2500], [-110, -450, 2500], [-110, -850, 2520],
    ]
)  # fmt: skip
ROWS = "".join(
    f"{clip} {actor} {action} {' '.join(f'{it:.3f}' for it in (BODY + step).ravel())}\n"
    for clip, actor, action, step in [(1, 1, 1, 0), (1, 1, 1, 1), (2, 1, 9, 0), (3, 10, 2, 5)]
)


save = saving(ROWS, "Florence_dataset_WorldCoordinates.txt")


@pytest.mark.parametrize("folder", [False, True])
def test_clips_of_a_file(save, folder):
    path = save()
    found = recordings(path.parent if folder else path)
    wave, bow, drink = found.clips
    assert (found.format, found.units, wave.layout.name) == ("florence", "m", "florence15")
    assert [found.class_names[clip.label] for clip in (wave, bow, drink)] == ["wave", "bow", "drink from a bottle"]
    assert [(clip.name, clip.frames, clip.attributes["subject"]) for clip in (wave, bow, drink)] == [
        ("1", 2, 1), ("2", 1, 1), ("3", 1, 10),
    ]  # fmt: skip
    place = wave.layout.joints.index
    np.testing.assert_allclose(wave.keypoint[0, 1, place("left_wrist")], [0.261, -0.049, 2.401], rtol=1e-6)
    assert any("mm" in line for line in found.assumed)
    assert any(line.startswith("y is upward") for line in found.assumed)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("700.000", "x", 1), "line 1: could not convert string to float: 'x'"),
        (("700.000 ", "", 1), "line 1 has 47 numbers, expected clip, actor, action and 15 x"),
        (("2 1 9", "2 1 12"), "clip '2' is of actor 1, action 12"),
        (("1 1 1 1.000", "1 2 1 1.000"), "clip '1' is of actor 1, action 1, or of several"),
    ],
)
def test_what_cannot_be_read_is_named(save, changes, reason):
    assert changes[0] in ROWS
    with pytest.raises(ValueError, match=reason):
        list(read(save(ROWS.replace(*changes)), "florence"))
