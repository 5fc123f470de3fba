"""Files of recordings read to be judged: whatever can be read is, and what cannot becomes a finding.

The sources stop at the first fault, which is right for `prepare`; here every clip is taken as it lies in the file. All
readers return a `Look`; they raise nothing because of a file's content.
"""

import csv
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from kinegraph.data.dataset_read import check_arrays, check_sums, read_clips
from kinegraph.data.dataset_read import read_about as read_dataset_about
from kinegraph.data.dataset_write import COLUMNS
from kinegraph.data.formats import ntu, tfrecord_wire, ui_prmd
from kinegraph.data.formats.about import beside, read_about
from kinegraph.data.formats.recordings import Recordings
from kinegraph.data.formats.split_names import PARTS
from kinegraph.data.inspection import Expected, Finding
from kinegraph.data.inspection_clip import FoundClip
from kinegraph.data.synthetic_marker import is_synthetic
from kinegraph.skeleton.layout import load_layout

PADDED = "CTVM"
UNREADABLE = (AttributeError, EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Look:
    """What a file or folder is, and its clips.

    clips: read while they are taken. looked: how many of them are looked at, of how many there are.
    findings: on the whole file; grows while clips are taken. told: further facts, by name. source: the
    module of data.formats that reads it for `kinegraph prepare`, where that may find still more.
    """

    what: str
    clips: Iterable[FoundClip] = ()
    total: int = 0
    looked: int = 0
    expected: Expected = Expected()  # noqa: RUF009  frozen
    class_names: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    source: str = ""


def problem(kind: str, message: object, *clips: str) -> Finding:
    """message: also an error, of which one of the system tells the file and the reason."""
    if isinstance(message, OSError) and message.filename and message.strerror:
        message = f"{message.filename}: {message.strerror.lower()}"
    return Finding("problem", kind, str(message), clips)


def unreadable(what: str, reason: object) -> Look:
    return Look(what, findings=[problem("unreadable", reason)])


def with_about(look: Look, path: Path) -> Look:
    """With what `kinegraph convert` wrote beside its files: layout, class names, splits and subjects."""
    try:
        about = read_about(path)
    except ValueError as error:
        look.findings.append(problem("about", error))
        about = {}
    return told_by(look, about) if about else look


def told_by(look: Look, about: Mapping) -> Look:
    """With what a dataset said about itself, see `data.formats.about`."""

    def clips() -> Iterator[FoundClip]:
        for clip in look.clips:
            told = about["clips"].get(clip.name)
            subject = told.attributes.get("subject", clip.subject) if told else None
            yield replace(clip, splits=told.splits, subject=subject) if told else clip

    names = tuple(about["class_names"])
    units, flat_units = units_expected(about["units"])
    expected = replace(look.expected, layout=about["layout"], classes=len(names), units=units, flat_units=flat_units)
    told = {key: about[key] for key in ("source", "licence") if about[key]}
    return replace(look, clips=clips(), expected=expected, class_names=names, told=told | look.told)


def spread(total: int, most: int | None) -> list[int]:
    """Which of so many clips to look at: all, or `most` of them evenly spread."""
    if most is None or total <= most:
        return list(range(total))
    return np.unique(np.linspace(0, total - 1, most).astype(int)).tolist()


def subject_of(name: str) -> int | None:
    """The subject in a name of NTU RGB+D's form."""
    return int(found[3]) if (found := ntu.FILE_NAME.match(name)) else None


# ---- dataset folders -------------------------------------------------------------------------------------------------


def look_at_dataset(path: Path) -> Look:
    """A dataset folder, clip by clip by its table, and at the end as strictly as training opens it."""
    what, found = "dataset folder", []
    try:
        about = read_dataset_about(path)
        keypoint = np.load(path / "keypoint.npy", mmap_mode="r", allow_pickle=False)
        score = np.load(path / "score.npy", mmap_mode="r", allow_pickle=False) if about["score"] else None
        with (path / "clips.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (*UNREADABLE, csv.Error) as error:
        return unreadable(what, error)
    if keypoint.ndim != 3:
        return unreadable(
            what, f"{path / 'keypoint.npy'} has shape {keypoint.shape}, expected (rows, joints, channels)"
        )
    if len(keypoint) != about["rows"]:
        found.append(problem("rows", f"keypoint.npy has {len(keypoint):,} rows, dataset.json says {about['rows']:,}"))

    def clips() -> Iterator[FoundClip]:
        for row in rows:
            yield _stored_clip(row, keypoint, score, tuple(about["splits"]))
        found.extend(_strictly(path, about))

    told = {key: about[key] for key in ("source", "licence") if about[key]}
    expected = Expected(about["layout"], len(about["class_names"]), *units_expected(about["units"]))
    return Look(what, clips(), len(rows), len(rows), expected, tuple(about["class_names"]), found, told)


def units_expected(said: str) -> tuple[str | None, str | None]:
    """Of 3D and of 2D coordinates, as far as a dataset's units say."""
    return ("m" if said == "m" else None), ("px" if said == "px" else None)


def _stored_clip(row: Mapping, keypoint: np.ndarray, score: np.ndarray | None, splits: Sequence[str]) -> FoundClip:
    name = row.get("name") or ""
    try:
        values = {key: int(row[key] or -1) for key in COLUMNS[1:5]}
    except (KeyError, TypeError, ValueError) as error:
        return FoundClip(name, fault=f"row of clips.csv: {error}")
    people, frames, start = values["people"], values["frames"], values["offset"]
    end = start + people * frames
    if people < 0 or frames < 0 or start < 0 or end > len(keypoint):
        return FoundClip(name, fault=f"rows {start} to {end} of the {len(keypoint)} in keypoint.npy do not exist")
    sides = [row.get(side) or "" for side in ("width", "height")]
    return FoundClip(
        name,
        np.array(keypoint[start:end]).reshape(people, frames, *keypoint.shape[1:]),
        values["label"] if row["label"] else None,
        None if score is None else np.array(score[start:end]).reshape(people, frames, -1),
        tuple(map(int, sides)) if all(side.isdigit() for side in sides) else None,
        subject=row.get("subject") or None,
        splits={split: row.get(split) or "" for split in splits},
    )


def _strictly(path: Path, about: dict) -> Iterator[Finding]:
    for check in (check_arrays, read_clips, check_sums):
        try:
            check(path, about)
        except (ValueError, OSError) as error:
            yield problem("refused", f"training refuses it: {error}")
            return


# ---- raw recordings --------------------------------------------------------------------------------------------------


def look_at_ntu(path: Path, most: int | None) -> Look:
    """.skeleton files; names tell subject and label of all of them, some are read."""
    files = sorted(path.rglob("*.skeleton"), key=lambda file: (file.name, str(file))) if path.is_dir() else [path]
    kept = [file for file in files if file.stem not in ntu.missing_skeletons()]
    found = []
    if len(kept) < len(files):
        message = f"{len(files) - len(kept):,} are on the published list of missing skeletons; prepare leaves them out"
        found.append(Finding("note", "missing_skeletons", message))
    chosen = set(spread(len(kept), most))
    actions = [int(match[5]) for file in kept if (match := ntu.FILE_NAME.fullmatch(file.stem))]
    classes = 60 if max(actions, default=0) <= 60 else 120
    clips = (_skeleton(file, i in chosen) for i, file in enumerate(kept))
    expected = Expected(load_layout("ntu25"), classes, "m")
    names = ntu.class_names(classes)
    what = f"raw NTU RGB+D {classes} (.skeleton)" + ", SYNTHETIC" * is_synthetic(path)
    return Look(what, clips, len(kept), len(chosen), expected, names, found)


def _skeleton(file: Path, looked: bool) -> FoundClip:
    match = ntu.FILE_NAME.fullmatch(file.stem)
    label, subject = (int(match[5]) - 1, int(match[3])) if match else (None, None)
    keypoint, fault = None, ""
    try:
        ntu.name_numbers(file.stem)
        if looked:
            bodies = ntu.parse_bodies(file.read_bytes())
            keypoint = ntu.tracked_bodies(bodies) if bodies.ids else np.zeros((0, bodies.frames, 25, 3))
    except (ValueError, OSError) as error:
        fault = str(error)
    return FoundClip(file.stem, keypoint, label, subject=subject, fault=fault)


def look_at_ui_prmd(path: Path, most: int | None) -> Look:
    """Pairs of UI-PRMD text files, of a folder or the one that a file belongs to."""
    pairs = ui_prmd.clip_files(path) if path.is_dir() else [ui_prmd.pair_of(path.resolve())]
    chosen = [pairs[i] for i in spread(len(pairs), most)]

    def clips() -> Iterator[FoundClip]:
        for positions, angles in chosen:
            try:
                clip = ui_prmd.read_clip(positions, angles)
            except (ValueError, OSError) as error:
                yield FoundClip(positions.stem, fault=str(error))
            else:
                subject = clip.attributes["subject"]
                yield FoundClip(clip.name, clip.keypoint, clip.label, subject=subject, splits=clip.splits)

    names = ui_prmd.class_names()
    expected = Expected(load_layout(ui_prmd.LAYOUT), len(names), "m")
    return Look("raw UI-PRMD (Kinect text files)", clips(), len(pairs), len(chosen), expected, names)


def look_at_tfrecords(path: Path, most: int | None) -> Look:
    """Shards, as many clips of each; a broken record ends its own shard only."""
    shards = sorted([path] if path.is_file() else path.rglob("*.tfrecord"))
    counts = [tfrecord_wire.count_records(shard) for shard in shards]
    each = max(counts) if most is None else -(-most // len(shards))
    found: list[Finding] = []

    def clips() -> Iterator[FoundClip]:
        for shard in shards:
            part = next((part for part in PARTS if part in (shard.parent.name + shard.stem).lower()), None)
            try:
                for number, (_, data) in enumerate(islice(tfrecord_wire.read_records(shard), each)):
                    yield _example(data, f"{shard.stem}-{number:06}", {"split": part} if part else {})
            except ValueError as error:
                found.append(problem("unreadable", error))

    looked = sum(min(count, each) for count in counts)
    look = Look("TFRecord shards", clips(), sum(counts), looked, Expected(units="m"), findings=found)
    folder = path if path.is_dir() else path.absolute().parent
    told = next((file for file in map(beside, (folder, folder.parent)) if file.is_file()), beside(folder))
    return with_about(look, told)


def _example(data: bytes, name: str, splits: Mapping[str, str]) -> FoundClip:
    try:
        example = {key: values[0] for key, values in tfrecord_wire.parse_example(data).items() if values}
        array = tfrecord_wire.parse_tensor(example["features"])
    except (KeyError, TypeError, ValueError) as error:
        return FoundClip(name, fault=f"has no tensor: {error}")
    named = example.get("name")
    name = named.decode("utf-8", "replace") if isinstance(named, bytes) else name
    return FoundClip(name, array, example.get("label"), subject=subject_of(name), splits=splits, axes=PADDED)


def look_through(what: str, read: Callable[[], Recordings], most: int | None, units: str | None = None) -> Look:
    """The clips of a source that is as strict as `prepare`: what it leaves out as broken, or its first fault."""
    try:
        source = read()
    except (ValueError, OSError) as error:
        return unreadable(what, error)
    found: list[Finding] = []

    def clips() -> Iterator[FoundClip]:
        try:
            for number, clip in enumerate(source.clips):
                if most is not None and number >= most:
                    return
                yield FoundClip(
                    clip.name, clip.keypoint, clip.label, clip.score, clip.image_size,
                    subject=clip.attributes.get("subject"), splits=clip.splits,
                )  # fmt: skip
        except (ValueError, OSError) as error:
            found.append(problem("refused", f"prepare stops: {error}"))
        for line in source.left_out():
            broken = line.startswith("broken: ")
            found.append(Finding("problem" if broken else "note", "broken" if broken else "left_out", line))

    looked = source.count if most is None else min(source.count, most)
    expected = Expected(source.layout, len(source.class_names) or None, units)
    return Look(what, clips(), source.count, looked, expected, source.class_names, found)
