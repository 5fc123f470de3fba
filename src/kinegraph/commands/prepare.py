"""`kinegraph prepare PATH OUT`: raw recordings -> a dataset folder, with a summary of what is in it."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from itertools import takewhile
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from kinegraph.commands.reading import opened_lines, watching
from kinegraph.commands.signature import check_numbers
from kinegraph.data.cluster import cluster_of
from kinegraph.data.dataset import SkeletonDataset, write_dataset
from kinegraph.data.dataset_checks import dataset_findings, line_of
from kinegraph.data.folders import opening
from kinegraph.data.formats import options_of, recognise
from kinegraph.data.read import recordings
from kinegraph.data.reading.clips.clip_columns import MADE, MADE_HERE
from kinegraph.data.reading.clips.recordings import facts_of
from kinegraph.data.reading.steps.class_choice import chosen
from kinegraph.data.reading.steps.faults import without_faults
from kinegraph.data.reading.steps.people import each_person, lists_persons
from kinegraph.data.segments import SegmentTable, read_tables
from kinegraph.data.segments.attach import NONE, clips_of_segments, complete, with_none, with_segments
from kinegraph.data.segments.summary import lines_of_segments, summarize_segments
from kinegraph.data.tracking import CROWD
from kinegraph.messages import counted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import Up

CLASSES_LISTED = 16
IGNORE = "ignore"
SECONDS_A_LINE = 10


class ForReaders(TypedDict, total=False):
    """Options that are given to the readers as they are; the docstring of `prepare` explains each."""

    bodies: Literal["tracked", "energy", "score", "rows"] | None
    labels: str | None
    layout: str | None
    class_names: str | None
    split_name: str | None
    box_threshold: float | None
    extra: bool
    parts: list[Literal["body", "hands", "face"]] | None
    units: Literal["m", "cm", "mm", "in", "ft", "px", "image", "normalised"] | None
    image_size: str | None
    up: Up | None
    fps: float | None
    min_score: float | None
    mend_sides: bool
    jumps: float | None
    fill: int | None
    smooth: Literal["savgol", "one-euro"] | None
    pose: str | None
    world: bool
    cache: str | None
    keep_missing: bool


def prepare(
    path: Path,
    out: Path,
    *,
    format: str | None = None,
    classes: list[str] | None = None,
    merge: list[str] | None = None,
    people: int | None = None,
    per_person: bool = False,
    labels_file: Path | None = None,
    names: str | None = None,
    segments: Path | None = None,
    segments_in: Literal["seconds", "frames"] | None = None,
    none: str = NONE,
    cut_segments: bool = False,
    resample_fps: float | None = None,
    val_share: float | None = None,
    skip_broken: bool = False,
    workers: int | None = None,
    executor: str | None = None,
    plugins: list[Path] | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    source: str | None = None,
    licence: str | None = None,
    overwrite: bool = False,
    **facts: Unpack[ForReaders],
) -> SkeletonDataset:
    """Write raw recordings to a dataset folder that train and test read.

    Args:
        path: file or folder of the recordings: data sets as published, files of pose estimators, motion capture,
            sensors' logs, arrays, tables of your own, videos, a dataset folder. The format is recognised by the content
            of the files; docs/formats.md lists all, `kinegraph inspect PATH` says which it is.
        out: dataset folder to make; written whole or not at all.
        format: name of the format, where the content does not decide it; ntu60 and ntu120 are ntu with --classes.
            `prepare FORMAT PATH OUT` is the same.
        bodies: ntu: "tracked" (the default) follows body ids and drops ghosts, "energy" keeps the two of the
            first four bodies that spread most. openpose: "tracked" (the default) follows people by nearness, "score"
            takes the best of each frame, as the published reader does. annotations, npy, poses, tfrecord, table:
            "tracked" (the default) follows people who change rows of an array, "rows" leaves them in their rows.
        labels: the column of the table or the labels file that holds them, where its name does not say so. ui-prmd and
            npz: "quality" makes two classes of each, correct and incorrect, "correct" leaves out the incorrect.
        layout: joints where the files do not say them: a layout name or a .yaml file.
        class_names: text file with one class name per line, or ntu60, ntu120, babel60, babel120; it names
            classes that are numbers, and orders named ones.
        split_name: annotations, npy, tfrecord: name of the split that train and val files are parts of; by
            default xsub, xview or xset, as their names say, else split.
        box_threshold: annotations: of Kinetics-400, least score of a skeleton's box.
        classes: only these, by name and in this order, such as --classes wave bow. ntu: also 60 or 120, by default what
            the files' names need; babel: the 60 (the default) or 120 most frequent actions; shrec: 14 (the default) or
            28.
        merge: one class of several, or another name: "squat=deep squat,half squat".
        extra: babel: also read the annotations in extra_train.json and extra_val.json.
        people: bodies to keep: the best by score (openpose, 2 by default), or seen most (table, all by default).
        per_person: a clip for each person, NAME#1, NAME#2 ..., by default of everybody. A labels file may list them;
            else each has the label of the clip.
        parts: openpose: body hands face, any of them beside the body, which is read alone by default; mediapipe: hands.
        labels_file: CSV with one row per clip: clip, label, split, subject ...
        names: what clips' names say: "{label}_{subject}_{_}" for walk_S01_2; "{subject}/{label}" with folders.
        segments: start, end and label of what is done in long recordings: your own table, a label for each frame, or
            files of BORIS, SimBA, ELAN, VIA, Label Studio and others; one file or folder. See docs/long_recordings.md.
        segments_in: unit of start and end, where the table does not say it.
        none: class of the frames between segments; "ignore" leaves them out of training and figures.
        cut_segments: make a clip of each segment, for networks of clips; also of a dataset folder with segments.
        units: of the coordinates, where the files do not say them; by default what the size of bodies tells. cm, mm, in
            and ft become metres, image (fractions of width and height) becomes pixels, normalised stays as it is.
        image_size: width x height in pixels, such as 1920x1080, in place of the files'.
        up: vertical axis of the files, such as z or -y; clips are turned so that y is upward (3D) or downward (2D).
        fps: frames a second, in place of what the files say.
        resample_fps: bring all clips to so many frames a second.
        min_score: joints with a lower score count as not seen.
        mend_sides: exchange left and right back where they are confused for some frames.
        jumps: a joint that leaves its way for one frame by more than this, in sizes of a body, counts as not seen; 0.5.
        fill: fill gaps of up to so many frames in which a joint is not seen.
        smooth: take jitter away, by savgol (looks at both sides) or one-euro (looks back only, as in a stream).
        val_share: part of the clips that becomes "val" where they have no split, by default 0.2 of files of your own;
            whole subjects (split xsub) where there are several, else clips of each class (split holdout).
        pose: video: what sees the joints, mediapipe (the default), rtmlib, or FILE.FUNCTION of --plugins.
        world: video: metres around each person's hips (3D), from mediapipe.
        cache: video: folder that keeps joints, by default ~/.cache/kinegraph/poses; or "off".
        keep_missing: ntu: also read the samples that are published as having missing skeletons.
        skip_broken: leave out clips that cannot be read, and list them at the end.
        workers: ntu, openpose: processes that read files, one a core by default.
        executor: ntu, openpose: who reads the files, "processes" of this machine (the default) or dask://HOST:PORT, the
            workers of a dask scheduler, who see the files under the same paths; see docs/cluster.md.
        plugins: video: Python files with an estimator of your own.
        dtype: float16 halves the size on disk and keeps about 3 digits.
        source: where the recordings are from, as dataset.json, weights and model cards say it.
        licence: what may be done with them, said there too.
        overwrite: replace the dataset that is already in out, once the new one is complete.

    Examples:
        kinegraph prepare nturgb+d_skeletons data/ntu60
        kinegraph prepare ntu60_2d.pkl data/ntu60_2d
        kinegraph prepare my_videos data/mine --labels-file clips.csv --image-size 1920x1080 --fps 30
        kinegraph prepare mice.h5 data/mice --segments boris_events.csv --fps 30
        kinegraph prepare gestures.csv data/gestures --classes wave bow --merge "wave=wave left,wave right"
    """
    check_numbers(0, workers=workers)
    if (segments_in or none != NONE) and not segments:
        raise ValueError("--segments-in and --none say what --segments TABLE means: give the table, too")
    tables, skipped = list[SegmentTable](), list[str]()
    recognised = recognise(path, format)
    module = recognised[0]
    if per_person and people is None and "people" in options_of(module):
        people = CROWD
    cluster = cluster_of(executor)
    if cluster:
        if workers is not None:
            raise ValueError("--workers counts processes of this machine: leave it out beside --executor dask://...")
        if "workers" not in options_of(module):
            raise ValueError(f"--executor is for ntu and openpose; {module.NAME} is read by one process")
        path = path.absolute()  # the workers are in other folders
    sets, only = _sets_and_names(classes)
    options: dict[str, object] = {name: value for name, value in facts.items() if value is not False}
    labels, persons = facts.get("labels"), per_person and labels_file is not None
    of_persons = labels_file if persons and lists_persons(labels_file, labels) else None
    options |= {"classes": sets, "people": people, "val_share": val_share, "workers": cluster or workers}
    options |= {"labels_file": None if of_persons else labels_file, "names": names}
    options |= {"labels": None} if of_persons else {}
    options |= {"resample_fps": None if segments else resample_fps}  # segments count the frames of the files
    of_videos = module.NAME == "video"
    with watching() if of_videos else nullcontext() as watch:
        on_fault = "skip" if skip_broken else "stop"
        options |= {"on_fault": on_fault, "whole": segments is not None, "watch": watch}
        with opening(opened_lines(path)):
            found = recordings(path, format, recognised=recognised, **options)
        if segments:
            tables, skipped = read_tables(segments)
            found = with_segments(found, tables, segments_in, resample_fps)
        if only or merge:
            found = chosen(found, only, merge)
        if per_person:
            found = each_person(
                found, of_persons, class_names=facts.get("class_names"), val_share=val_share, labels=labels
            )
        if segments and none != IGNORE and not complete(tables):
            found = with_none(found, none)
        if cut_segments:
            found = clips_of_segments(found)
        found = without_faults(found, on_fault)
        clips = found.clips if of_videos else _shown(found.clips, found.count, f"preparing {out}")
        # Closed on an error, so that the bar ends before its message and reading processes stop.
        with closing(found.clips), closing(clips):
            about = facts_of(found) | ({"licence": licence} if licence is not None else {})
            about["source"] = "; ".join(filter(None, [source, found.source]))
            dataset = write_dataset(out, clips, **about, dtype=dtype, overwrite=overwrite)
    summarize(dataset, out, skipped + found.skipped(), f"{found.format}, {found.reason}", found.assumed)
    for line in found.changed():
        print(f"note: {line}")
    if MADE in dataset.splits and MADE_HERE not in dataset.source and found.format != "dataset":
        way = "a column subject in --labels-file, or {subject} in --names, keeps them apart"
        print(f"note: the same people may be in both parts of split {MADE}; {way}")
    if found.format == "ntu" and len(dataset.class_names) == 120 and dataset.label.max() < 60:
        print(
            "note: all clips are of NTU RGB+D 60's actions; --classes 60 gives them its 60 classes and its splits "
            "xsub and xview"
        )
    return dataset


def _sets_and_names(classes: Sequence[str] | int | None) -> tuple[int | None, list[str]]:
    """What --classes says: the size of a published set of classes, or names."""
    if classes is None or isinstance(classes, int):
        return classes, []
    return (int(classes[0]), []) if list(classes) in (["14"], ["28"], ["60"], ["120"]) else (None, list(classes))


def words(argv: Sequence[str]) -> list[str]:
    """The words of the command line, where FORMAT PATH OUT of earlier versions becomes PATH OUT --format FORMAT."""
    if sum(1 for _ in takewhile(_is_value, argv)) > 2:
        return [*argv[1:], f"--format={argv[0]}"]
    return list(argv)


def _is_value(word: str) -> bool:
    return not word.startswith("-")


def _shown(clips: Iterable[SkeletonClip], count: int, what: str) -> Iterator[SkeletonClip]:
    """The clips, with a progress bar on a terminal's stderr, elsewhere a line now and then."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            yield from progress.track(clips, total=count, description=what)
        return
    shown = time.monotonic()
    for done, clip in enumerate(clips, start=1):
        yield clip
        if time.monotonic() - shown > SECONDS_A_LINE:
            shown = time.monotonic()
            print(f"{what}: {done:,} of {count:,}", file=sys.stderr, flush=True)


def summarize(
    dataset: SkeletonDataset, path: Path, skipped: Iterable[str] = (), format: str = "", assumed: Iterable[str] = ()
) -> None:
    """Print what is in a dataset folder."""
    size = sum(file.stat().st_size for file in dataset.path.iterdir()) / 1e6
    low, middle, high = np.percentile(dataset.frames, (0, 50, 100))
    rates = [f"{rate:g}" for rate in np.unique(dataset.fps) if rate == rate]
    people = Counter(dataset.people.tolist())
    table = Table.grid(padding=(0, 2))
    for row in [
        ("format", format),
        ("source", dataset.source),
        ("licence", dataset.licence),
        ("joints", f"{len(dataset.layout.joints)} ({dataset.layout.name}), {dataset.channels}D in {dataset.units}"),
        *_about_labels(dataset),
        ("people", ", ".join(f"{count}: {counted(clips, 'clip')}" for count, clips in sorted(people.items()))),
        (
            "frames",
            f"shortest {low:g}, median {middle:g}, longest {high:g}, {', '.join(rates)} fps"
            if rates
            else f"shortest {low:g}, median {middle:g}, longest {high:g}; frame rate not known (--fps)",
        ),
        *((f"split {split}", _parts(dataset, split)) for split in dataset.splits),
    ]:
        if row[1]:
            table.add_row(*map(Text, row))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{path}: {counted(len(dataset), 'clip')}, {dataset.dtype}, {size:,.1f} MB")
    Console().print(table)
    for line in skipped:
        console.print(f"skipped: {line}")
    for line in assumed:
        console.print(f"assumed: {line}")
    for finding in dataset_findings(dataset):
        console.print(f"{finding.severity}: {line_of(finding)}")


def _about_labels(dataset: SkeletonDataset) -> list[tuple[str, str]]:
    """Rows on the classes, or on the segments of long recordings."""
    if dataset.segments is None:
        return [("classes", _classes(dataset))]
    rates = [None if rate != rate else rate for rate in dataset.fps.tolist()]
    recordings = zip(dataset.segments, dataset.frames.tolist(), rates, strict=True)
    names = dataset.class_names
    none = "" if dataset.none is None else names[dataset.none]
    return lines_of_segments(summarize_segments(recordings, len(names)), names, none)


def _classes(dataset: SkeletonDataset) -> str:
    """The number of clips of each class; of many classes the least and the largest number."""
    counts = np.bincount(dataset.label[dataset.label >= 0], minlength=len(dataset.class_names))
    there = np.flatnonzero(counts)
    if not len(there):
        return "none, the clips have no labels"
    listed = f"{len(there)} of {len(counts)}" if len(there) < len(counts) else f"{len(counts)}"
    counts, names = counts[there], [dataset.class_names[i] for i in there]
    low, high = np.argmin(counts), np.argmax(counts)
    if equal := counts[low] == counts[high]:
        listed += f", {counted(counts[low], 'clip')} each"
    if len(there) <= CLASSES_LISTED:
        cells = names if equal else [f"{name} {count:,}" for name, count in zip(names, counts, strict=True)]
        return f"{listed}: {'; '.join(cells)}"
    if equal:
        return listed
    return (
        f"{listed}; clips a class: fewest {counts[low]:,} ({names[low]}), "
        f"median {np.median(counts):,g}, most {counts[high]:,} ({names[high]})"
    )


def _parts(dataset: SkeletonDataset, split: str) -> str:
    return ", ".join(f"{part} {len(dataset.indices(split, part)):,}" for part in dataset.parts(split))
