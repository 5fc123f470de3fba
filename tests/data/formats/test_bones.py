"""Markers that no built-in layout has: joints of their own, joined by the shortest lines."""

import numpy as np

from kinegraph.data.formats import recordings
from kinegraph.data.formats.steps import layout_of_lines
from kinegraph.skeleton.layout import load_layout
from kinegraph.skeleton.proportions import shortest_lines

# A stick figure: two legs on a pelvis, a spine above it.
NAMES = ("LANK", "RANK", "LKNE", "RKNE", "SACR", "C7")
PLACES = np.array([[0.3, 0, 0], [-0.3, 0, 0], [0.3, 0.4, 0], [-0.3, 0.4, 0], [0, 0.8, 0], [0, 1.3, 0]])
BONES = {("LANK", "LKNE"), ("RANK", "RKNE"), ("LKNE", "SACR"), ("RKNE", "SACR"), ("C7", "SACR")}


def trc(path, names, places):
    """Two frames of markers, the second one a step ahead."""
    head = ["PathFileType\t4\t(X/Y/Z)\twalk.trc", "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits"]
    head += [
        f"60\t60\t2\t{len(names)}\tm",
        "Frame#\tTime\t" + "\t\t\t".join(names),
        "\t\t" + "X\tY\tZ\t" * len(names),
        "",
    ]
    rows = [f"{i + 1}\t{i / 60}\t" + "\t".join(map(str, (places + [0, 0, i]).ravel())) for i in range(2)]
    path.write_text("\n".join(head + rows) + "\n")
    return path


def test_bones_are_the_shortest_lines_and_their_mirror_images(tmp_path):
    found = recordings(trc(tmp_path / "walk.trc", NAMES, PLACES))
    (clip,) = found.clips
    name = clip.layout.joints.__getitem__
    assert clip.layout.joints == NAMES
    assert {tuple(sorted((name(i), name(j)))) for i, j in clip.layout.bones} == BONES
    assert clip.layout.mirror == ((0, 1), (2, 3))
    np.testing.assert_allclose(clip.keypoint[0, 1], PLACES + [0, 0, 1], rtol=1e-6)
    assert any("the shortest lines between the 6 joints, the file names none (--layout)" in it for it in found.assumed)
    assert "bones" not in found.guessed


def test_a_joint_that_is_never_seen_is_still_connected():
    bodies = np.repeat(PLACES[None], 3, 0)
    bodies[:, 3] = 0
    lines = shortest_lines(bodies)
    assert {joint for pair in lines for joint in pair} == set(range(6))
    assert layout_of_lines(load_layout("coco17"), [(i, 0) for i in range(1, 17)]).centre == 0


def test_a_layout_is_known_among_further_markers(tmp_path):
    body = [joint for joint in load_layout("openpose25").joints if "eye" not in joint and "ear" not in joint]
    names = [*body, "r.ASIS_study", "L.PSIS_study"]
    places = np.arange(3.0 * len(names)).reshape(-1, 3) / 50
    found = recordings(trc(tmp_path / "walk.trc", names, places))
    (clip,) = found.clips
    assert clip.layout.name == "openpose25"
    np.testing.assert_allclose(
        clip.keypoint[0, 0, clip.layout.joints.index("left_knee")], places[names.index("left_knee")]
    )
    assert any("2 markers that are no joint of it: r.ASIS_study, L.PSIS_study" in line for line in found.skipped())
