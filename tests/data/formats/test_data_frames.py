"""Tables as programs keep them: decimal commas, headers of two rows, Parquet, pandas, polars, xarray."""

from pathlib import Path

import numpy as np
import pytest

import kinegraph as kg
from kinegraph.skeleton.layout import load_layout

JOINTS = load_layout("coco17").joints
PLACES = (np.arange(3 * 17 * 2).reshape(3, 17, 2) * 7 + 0.25).astype(np.float32)
WIDE = [f"{joint}_{axis}" for joint in JOINTS for axis in "xy"]


def rows(separator: str = ",", point: str = ".") -> list[str]:
    return [separator.join([str(t), *(str(it).replace(".", point) for it in PLACES[t].ravel())]) for t in range(3)]


def as_read(source: object) -> np.ndarray:
    (clip,) = kg.read(source)
    assert clip.layout.name == "coco17"
    return clip.keypoint[0]


def csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


TWO_ROWS = {
    "unnamed": (",".join(["", *(joint for joint in JOINTS for _ in "xy")]), ",".join(["", *"xy" * 17])),
    "named": (",".join(["part", *(joint for joint in JOINTS for _ in "xy")]), ",".join(["coords", *"xy" * 17])),
    "index": (
        ",".join(["part", *(joint for joint in JOINTS for _ in "xy")]),
        ",".join(["coords", *"xy" * 17]),
        "frame" + "," * 34,
    ),
    "merged": (",".join(["frame", *(cell for joint in JOINTS for cell in (joint, ""))]), ",".join(["", *"xy" * 17])),
}


@pytest.mark.parametrize("header", TWO_ROWS.values(), ids=TWO_ROWS)
def test_a_header_of_two_rows(tmp_path, header):
    np.testing.assert_array_equal(as_read(csv(tmp_path / "walk.csv", *header, *rows())), PLACES)


def test_a_header_of_people_joints_and_axes(tmp_path):
    levels = [("person", "p1", "p2"), ("joint", *JOINTS), ("coord", "x", "y")]
    columns = [(who, joint, axis) for who in levels[0][1:] for joint in JOINTS for axis in "xy"]
    header = [",".join([level[0], *names]) for level, names in zip(levels, zip(*columns, strict=True), strict=True)]
    values = np.concatenate([PLACES.reshape(3, -1), PLACES.reshape(3, -1) + 400], 1)
    lines = [",".join(map(str, [t, *values[t]])) for t in range(3)]
    (clip,) = kg.read(csv(tmp_path / "walk.csv", *header, "frame" + "," * 68, *lines))
    np.testing.assert_array_equal(clip.keypoint, [PLACES, PLACES + 400])


@pytest.mark.parametrize(("thousands", "point"), [(",", "."), (".", ",")])
def test_thousands_beside_decimals(tmp_path, thousands, point):
    """As spreadsheets write them: "1,036.25", or "1.036,25" in German."""
    cells = [[f'"{v:,.2f}"' for v in (1000 + frame).ravel()] for frame in PLACES]
    swapped = str.maketrans(",.", thousands + point)
    lines = [",".join([str(t), *row]).replace('","', "|").translate(swapped) for t, row in enumerate(cells)]
    text = [line.replace("|", '","').replace(f"{line[0]}{thousands}", f"{line[0]},", 1) for line in lines]
    np.testing.assert_array_equal(as_read(csv(tmp_path / "walk.csv", ",".join(["frame", *WIDE]), *text)), 1000 + PLACES)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimals_with_a_comma(tmp_path, separator):
    header = separator.join(["frame", *WIDE])
    np.testing.assert_array_equal(as_read(csv(tmp_path / "walk.csv", header, *rows(separator, ","))), PLACES)


# ---- in memory -------------------------------------------------------------------------------------------------------


def frame_of(library: str):
    """The wide table in pandas or polars."""
    module = pytest.importorskip(library)
    columns = {"frame": range(3)} | {name: PLACES.reshape(3, -1)[:, i] for i, name in enumerate(WIDE)}
    return module.DataFrame(columns)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_table_in_memory(library):
    np.testing.assert_array_equal(as_read(frame_of(library)), PLACES)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_parquet(tmp_path, library):
    pytest.importorskip("pyarrow")
    table = frame_of(library)
    (table.to_parquet if library == "pandas" else table.write_parquet)(tmp_path / "walk.parquet")
    np.testing.assert_array_equal(as_read(tmp_path / "walk.parquet"), PLACES)


def test_columns_of_two_levels(tmp_path):
    pandas = pytest.importorskip("pandas")
    columns = pandas.MultiIndex.from_product([JOINTS, ["x", "y"]])
    table = pandas.DataFrame(PLACES.reshape(3, -1), columns=columns)
    np.testing.assert_array_equal(as_read(table), PLACES)


def test_a_dataset_of_movement():
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5py")
    dims = ("time", "keypoints", "space")
    names = {"keypoints": list(JOINTS), "space": ["x", "y"]}
    (clip,) = kg.read(xarray.Dataset({"position": (dims, PLACES)}, coords=names, attrs={"fps": 25.0}))
    np.testing.assert_array_equal(clip.keypoint[0], PLACES)
    assert (clip.layout.joints, clip.fps) == (JOINTS, 25.0)


def test_what_is_no_table_is_named():
    with pytest.raises(ValueError, match="path is a list, expected a path, or a table of pandas or polars"):
        kg.read([1, 2])
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"^the DataFrame has no column 'clip', expected clip, frame, joint, x, y"):
        list(kg.read(pandas.DataFrame({"a": [1]})))


def test_parquet_names_what_it_needs(tmp_path, monkeypatch):
    (tmp_path / "walk.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ValueError, match=r'walk\.parquet needs pyarrow: pip install "kinegraph\[parquet\]"$'):
        list(kg.read(tmp_path / "walk.parquet"))
