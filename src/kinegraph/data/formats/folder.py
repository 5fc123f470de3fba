"""The dataset folder that `kinegraph prepare` writes, read as recordings; see `data.dataset`."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tokenize import TokenError

import numpy as np

from kinegraph.data.dataset import open_dataset
from kinegraph.data.dataset_read import read_about
from kinegraph.data.dataset_write import COLUMNS
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.skeleton.clip import SkeletonClip

NAME = "dataset"
TITLE = "dataset folder"
SUFFIXES = ()


def detect(path: Path) -> str | None:
    """A folder with dataset.json or keypoint.npy."""
    there = [file for file in ("dataset.json", "keypoint.npy") if (path / file).is_file()]
    return f"holds {there[0]}" if there else None


def read(path: Path, *, split: str | None = None, part: str | None = None) -> Recordings:
    """The clips of a dataset folder, or of one part of a split (by default val, or test where there is no val).

    Where the folder is damaged, its first fault is what opening it reports, and the clips are read by clips.csv.
    """
    about = read_about(path)
    facts = {"layout": about["layout"], "class_names": tuple(about["class_names"]), "units": about["units"]}
    facts |= {"source": about["source"], "licence": about["licence"], "as_arrays": True}
    if about.get("none") is not None:
        facts |= {"none": about["class_names"][about["none"]]}
    try:
        dataset = open_dataset(path, check_values=False)
    except (ValueError, OSError) as error:
        keypoint, score, rows = _open_damaged(path, about)
        clips = _damaged(fault_of(error), keypoint, score, rows, about)
        return Recordings(clips, len(rows), **facts)
    chosen = range(len(dataset)) if split is None else dataset.indices(split, part or dataset.held_out(split)).tolist()

    def clips() -> Iterator[Item]:
        for i in chosen:
            try:
                yield dataset[i]
            except ValueError as error:
                yield Fault(fault_of(error, dataset.names[i]).message, dataset.names[i], "not_finite")

    return Recordings(clips(), len(chosen), **facts)


def _open_damaged(path: Path, about: Mapping) -> tuple[np.ndarray, np.ndarray | None, list[dict]]:
    """The arrays and the rows of clips.csv without any check. Raises FormatError where one cannot be read."""
    try:
        keypoint = np.load(path / "keypoint.npy", mmap_mode="r", allow_pickle=False)
        score = np.load(path / "score.npy", mmap_mode="r", allow_pickle=False) if about["score"] else None
        with (path / "clips.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (AttributeError, EOFError, OSError, SyntaxError, TypeError, ValueError, TokenError, csv.Error) as error:
        raise FormatError("unreadable", fault_of(error).message) from None
    if keypoint.ndim != 3:
        raise FormatError("unreadable", f"{path / 'keypoint.npy'} has shape {keypoint.shape}, expected 3 axes")
    return keypoint, score, rows


def _damaged(
    first: Fault, keypoint: np.ndarray, score: np.ndarray | None, rows: Sequence[Mapping], about: Mapping
) -> Iterator[Item]:
    yield Fault(first.message, kind="refused")
    if len(keypoint) != about["rows"]:
        message = f"keypoint.npy has {len(keypoint):,} rows, dataset.json says {about['rows']:,}"
        yield Fault(message, kind="rows")
    for row in rows:
        try:
            yield _clip(row, keypoint, score, about)
        except (KeyError, TypeError, ValueError) as error:
            yield fault_of(error, row.get("name") or "")


def _clip(row: Mapping, keypoint: np.ndarray, score: np.ndarray | None, about: Mapping) -> SkeletonClip:
    people, frames, start = (int(row[key]) for key in ("people", "frames", "offset"))
    end = start + people * frames
    if min(people, frames, start) < 0 or end > len(keypoint):
        raise ValueError(f"has rows {start} to {end}, keypoint.npy has {len(keypoint)}")
    own = {key: row[key] for key in about["attributes"] if row.get(key)}
    sides = [row.get(side) or "" for side in ("width", "height")]
    return SkeletonClip(
        np.array(keypoint[start:end], np.float32).reshape(people, frames, *keypoint.shape[1:]),
        about["layout"],
        row["name"],
        int(row[COLUMNS[1]]) if row[COLUMNS[1]] else None,
        None if score is None else np.array(score[start:end], np.float32).reshape(people, frames, -1),
        image_size=tuple(map(int, sides)) if all(side.isdecimal() for side in sides) else None,
        attributes={key: int(value) if about["attributes"][key] == "int" else value for key, value in own.items()},
        splits={split: row.get(split) or "" for split in about["splits"]},
    )
