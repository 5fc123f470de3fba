"""`kinegraph prepare SOURCE RAW OUT`: raw recordings -> a dataset folder, with a summary of what is in it."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from kinegraph.data.sources import arrays, ntu, synthetic, ui_prmd
from kinegraph.data.store import SkeletonDataset, write_dataset
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

Source = Literal["ntu60", "ntu120", "ui-prmd", "npz"]
NTU_LICENCE = "NTU RGB+D terms of use (academic research): https://rose1.ntu.edu.sg/dataset/actionRecognition"
# option -> the sources that know it
OPTIONS = {
    "bodies": ("ntu60", "ntu120"),
    "keep_missing": ("ntu60", "ntu120"),
    "workers": ("ntu60", "ntu120"),
    "skip_broken": ("ntu60", "ntu120", "ui-prmd"),
    "labels": ("ui-prmd", "npz"),
    "layout": ("npz",),
}
CLASSES_LISTED = 16
SECONDS_A_LINE = 10


@dataclass(frozen=True, eq=False)
class _Recordings:
    """What a source holds. left_out: after the clips are taken, the reasons and how many or which files they hit."""

    clips: Iterator[SkeletonClip]
    count: int
    layout: JointLayout
    class_names: tuple[str, ...]
    units: str
    source: str
    licence: str
    left_out: Callable[[], list[str]]


def prepare(
    source: Source,
    raw: Path,
    out: Path,
    *,
    bodies: ntu.BodyPolicy | None = None,
    labels: ui_prmd.Labels | None = None,
    layout: str | None = None,
    keep_missing: bool = False,
    skip_broken: bool = False,
    workers: int | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    overwrite: bool = False,
) -> None:
    """Write raw recordings to a dataset folder that train and test read.

    Args:
        source: ntu60 and ntu120 are folders of NTU RGB+D's .skeleton files; ui-prmd is the folder with UI-PRMD's
            Segmented Movements; npz is one file of arrays.
        raw: folder or file of the recordings.
        out: dataset folder to make; written whole or not at all.
        bodies: ntu60, ntu120: "tracked" (the default) follows body ids and drops ghosts, "energy" keeps the two of the
            first four bodies that spread most.
        labels: ui-prmd, npz: "movement" (the default) is the recording's class, "quality" makes it two, correct and
            incorrect.
        layout: npz: layout of the joints, a name or a .yaml file, where joint_names of the file do not tell.
        keep_missing: ntu60, ntu120: also read the samples that are published as having missing skeletons.
        skip_broken: ntu60, ntu120, ui-prmd: leave out broken files and list them at the end, instead of stopping.
        workers: ntu60, ntu120: processes that read files, one a core by default.
        dtype: float16 halves the size on disk and keeps about 3 digits.
        overwrite: replace the dataset that is already in out, once the new one is complete.
    """
    given = {"bodies": bodies, "labels": labels, "layout": layout, "workers": workers}
    given |= {"keep_missing": keep_missing or None, "skip_broken": skip_broken or None}
    for option, value in given.items():
        if value is not None and source not in OPTIONS[option]:
            name = option.replace("_", "-")
            raise ValueError(f"--{name} is an option for {', '.join(OPTIONS[option])}; {source} has no use for it")
    if source == "npz":
        found = _arrays(raw, labels or "movement", load_layout(layout) if layout else None)
    elif source == "ui-prmd":
        found = _ui_prmd(raw, labels or "movement", skip_broken)
    else:
        found = _ntu(raw, int(source.removeprefix("ntu")), bodies or "tracked", keep_missing, skip_broken, workers)
    # Closed on an error, so that the bar ends before its message and reading processes stop.
    with closing(found.clips), closing(_shown(found.clips, found.count, f"preparing {out}")) as clips:
        dataset = write_dataset(
            out,
            clips,
            layout=found.layout,
            class_names=found.class_names,
            units=found.units,
            source=found.source,
            licence=found.licence,
            dtype=dtype,
            overwrite=overwrite,
        )
    summarize(dataset, out, found.left_out())


def _ntu(
    raw: Path, classes: int, bodies: ntu.BodyPolicy, keep_missing: bool, skip_broken: bool, workers: int | None
) -> _Recordings:
    report = ntu.ReadReport()
    clips = ntu.read(
        raw,
        bodies=bodies,
        classes=classes,
        keep_missing=keep_missing,
        skip_broken=skip_broken,
        workers=workers,
        report=report,
    )

    def left_out() -> list[str]:
        counts = [
            (len(report.missing), "on the published list of missing skeletons (--keep-missing reads them)"),
            (len(report.other_actions), f"of actions that NTU RGB+D {classes} does not have"),
        ]
        lines = [f"{count:,} {reason}" for count, reason in counts if count]
        return lines + [f"broken: {file}: {fault}" for file, fault in report.skipped]

    made = synthetic.is_synthetic(raw)
    origin = "synthetic recordings in the raw format of" if made else "raw recordings of"
    return _Recordings(
        clips=_some(clips, left_out),
        count=report.found,
        layout=load_layout("ntu25"),
        class_names=ntu.class_names(classes),
        units="m",
        source=f"{origin} NTU RGB+D {classes}, bodies {bodies}",
        licence="" if made else NTU_LICENCE,
        left_out=left_out,
    )


def _ui_prmd(raw: Path, labels: ui_prmd.Labels, skip_broken: bool) -> _Recordings:
    skipped: list[str] = []

    def left_out() -> list[str]:
        return [f"broken: {reason}" for reason in skipped]

    return _Recordings(
        clips=_some(ui_prmd.read(raw, labels, skipped if skip_broken else None), left_out),
        count=len(ui_prmd.clip_files(raw)),
        layout=load_layout(ui_prmd.LAYOUT),
        class_names=ui_prmd.class_names(labels),
        units="m",
        source=ui_prmd.SOURCE,
        licence=ui_prmd.LICENCE,
        left_out=left_out,
    )


def _arrays(raw: Path, labels: ui_prmd.Labels, layout: JointLayout | None) -> _Recordings:
    found = arrays.load_arrays(raw, labels, layout)
    return _Recordings(
        clips=found.clips(),
        count=len(found),
        layout=found.layout,
        class_names=found.class_names,
        units=found.units,
        source=f"arrays of {raw.name}",
        licence="",
        left_out=list,
    )


def _some(clips: Iterator[SkeletonClip], left_out: Callable[[], list[str]]) -> Iterator[SkeletonClip]:
    """The clips. Raises ValueError with what was left out when there are none."""
    with closing(clips):
        none = True
        for clip in clips:
            none = False
            yield clip
    if none:
        reasons = left_out()
        more = f"; and {len(reasons) - 3:,} more" if len(reasons) > 3 else ""
        raise ValueError(f"nothing is left to prepare; left out: {'; '.join(reasons[:3])}{more}")


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


def summarize(dataset: SkeletonDataset, path: Path, left_out: Iterable[str] = ()) -> None:
    """Print what is in a dataset folder."""
    size = sum(file.stat().st_size for file in dataset.path.iterdir()) / 1e6
    low, middle, high = np.percentile(dataset.frames, (0, 50, 100))
    rates = [f"{rate:g}" for rate in np.unique(dataset.fps) if rate == rate]
    people = Counter(dataset.people.tolist())
    table = Table.grid(padding=(0, 2))
    for row in [
        ("source", dataset.source),
        ("licence", dataset.licence),
        ("joints", f"{len(dataset.layout.joints)} ({dataset.layout.name}), {dataset.channels}D in {dataset.units}"),
        ("classes", _classes(dataset)),
        ("people", ", ".join(f"{count}: {clips:,} clips" for count, clips in sorted(people.items()))),
        (
            "frames",
            f"shortest {low:g}, median {middle:g}, longest {high:g}" + (f", {', '.join(rates)} fps" if rates else ""),
        ),
        *((f"split {split}", _parts(dataset, split)) for split in dataset.splits),
    ]:
        if row[1]:
            table.add_row(*map(Text, row))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{path}: {len(dataset):,} clips, {dataset.dtype}, {size:,.1f} MB")
    Console().print(table)
    for line in left_out:
        console.print(f"left out: {line}")


def _classes(dataset: SkeletonDataset) -> str:
    """Clips a class: each where they are few, else their range."""
    counts = np.bincount(dataset.label[dataset.label >= 0], minlength=len(dataset.class_names))
    there = np.flatnonzero(counts)
    if not len(there):
        return "none, the clips have no labels"
    listed = f"{len(there)} of {len(counts)}" if len(there) < len(counts) else f"{len(counts)}"
    counts, names = counts[there], [dataset.class_names[i] for i in there]
    low, high = np.argmin(counts), np.argmax(counts)
    if equal := counts[low] == counts[high]:
        listed += f", {counts[low]:,} clips each"
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
