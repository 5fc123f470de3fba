"""`kinegraph test` on long recordings: every frame scored, the figures of segments, a page with timelines."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import Progress
from torch import nn

from kinegraph.atomic import write_atomic
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.windows import WindowDataset, check_in_a_row, cut
from kinegraph.evaluation.frame_results import PROBABILITIES, timeline_of, write_probabilities
from kinegraph.evaluation.scoring import score_frames, window_weight
from kinegraph.evaluation.timelines import Timeline, by_subject, figures, of_class
from kinegraph.inference.exported import Exported
from kinegraph.inference.predictor import Predictor
from kinegraph.inference.timeline import window_starts
from kinegraph.inference.trained_network import probabilities
from kinegraph.messages import counted, spreadsheet_cell
from kinegraph.report.timelines_page import timelines_page, worst_scenes
from kinegraph.safe_io import without_nan
from kinegraph.screen import note
from kinegraph.training.distributed import naming_lost_processes

FILES = ("figures.json", "predictions.csv", "report.html", PROBABILITIES)


def is_of_frames(extra: Mapping[str, Any], folder: SkeletonDataset) -> bool:
    """Whether weights or recordings ask for an answer for every frame.

    extra: what the weights say. Raises ValueError for weights of frames and clips without segments.
    """
    of_frames = (extra.get("training") or {}).get("task") == "frames"
    if of_frames and folder.segments is None:
        raise ValueError(
            f"the weights answer for every frame of long recordings, {folder.path} has clips of one label; "
            "`kinegraph prepare PATH OUT --segments TABLE` adds start, end and label"
        )
    return folder.segments is not None


def check_frame_options(out: Path | None, eval: list[str] | None) -> None:
    """Raises ValueError for a result file, and for metrics of clips."""
    if eval:
        raise ValueError("--eval chooses metrics of clips; long recordings have all their figures: leave it out")
    if out is not None and (out.suffix in (".pkl", ".json", ".csv") or out.is_file()):
        raise ValueError(f"--out is '{out}', expected a folder: long recordings give {', '.join(FILES)}")


def measure_frames(
    fabric: Fabric,
    network: nn.Module,
    folder: SkeletonDataset,
    split: str,
    part: str,
    preprocessing: Preprocessing,
    training: Mapping[str, Any],
    batch_size: int,
    workers: int,
) -> list[Timeline]:
    """The timelines of the recordings of a part. training: what the weights say of theirs.

    Weights of clips answer for windows: each window's answer counts for all of its frames.
    """
    pooled = training.get("task") != "frames"
    several = bool(training.get("several", False))
    windows = WindowDataset(folder, folder.indices(split, part), preprocessing, None, several, dense=pooled)
    console = Console(stderr=True, quiet=not fabric.is_global_zero)
    with naming_lost_processes(), Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{split} / {part}", total=len(windows))

        def done(count: int) -> None:
            bar.advance(task, count)

        return score_frames(fabric, network, windows, batch_size, workers, done, pooled=pooled)


def window_of_clips(training: Mapping[str, Any], preprocessing: Preprocessing) -> int | None:
    """The frames of a window for weights of clips whose preparation chooses frames or stretches them; None for others,
    whose windows are the frames that the preparation leaves. It is said."""
    if training.get("task") == "frames" or not training.get("frames"):
        return None
    try:
        check_in_a_row(preprocessing)
    except ValueError:
        window = int(training["frames"][1])
        note(f"the network was trained on clips: it is asked about windows of {window} frames, their median length")
        return window
    return None


def measure_by_clips(
    asked: Predictor | Exported, folder: SkeletonDataset, split: str, part: str, window: int, batch_size: int
) -> list[Timeline]:
    """The timelines of a network of clips of any length, as `predict --window` asks it.

    window: frames of a window, a quarter of it apart; each answer counts for all frames of its window, most in the
    middle. A window without anybody says nothing; frames that no window speaks of are of the class of nothing.
    """
    found: list[Timeline] = []
    weight = window_weight(window)[:, None]
    for index in folder.indices(split, part).tolist():
        clip, classes = folder[index], len(folder.class_names)
        starts = window_starts(clip.frames, window, max(1, window // 4))
        starts = [start for start in starts if clip.keypoint[:, start : start + window].any()]
        total = np.zeros((clip.frames, classes + 1))
        rows = probabilities(asked, (asked.fit(cut(clip, start, window)) for start in starts), batch_size)
        for start, row in zip(starts, rows, strict=True):
            count = min(window, clip.frames - start)
            total[start : start + count] += weight[:count] * np.append(row, 1.0)
        unknown = total[:, -1] == 0
        total[unknown, folder.none if folder.none is not None else slice(None, -1)] = 1
        total[unknown, -1] = total[unknown, :-1].sum(1)
        found.append(timeline_of(folder, index, (total[:, :-1] / total[:, -1:]).astype(np.float32), several=False))
    return found


def tell_frames(
    timelines: Sequence[Timeline],
    folder: SkeletonDataset,
    where: str,
    out: Path | None,
    report: Path | None,
    about: Mapping[str, Any],
) -> Path | None:
    """Print one figure per line, as for clips, and the warnings; write what was asked for. Returns the page's path."""
    for key, value in figures(timelines).flat().items():
        if not math.isnan(value):
            print(f"{key}: {value:.4f}")
    print(*about["warnings"], sep="\n", end="\n" if about["warnings"] else "")
    if out or report:
        kind = " (synthetic data)" if "synthetic" in folder.source.lower() else ""
        title, source = f"Test report: {where}{kind}", f"{folder.source}; {counted(len(timelines), 'long recording')}"
        about = {**about, "scenes": worst_scenes(timelines, folder), "title": title, "source": source}
        place = write_results(out, report, timelines, folder.class_names, **about)
        print(f"report: {place}")
        return place
    return None


def write_results(
    out: Path | None, report: Path | None, timelines: Sequence[Timeline], names: Sequence[str], **about: Any
) -> Path:
    """Write figures, segments, probabilities and page. Returns the page's path. about: as of `timelines_page`."""
    page = timelines_page(timelines, names, **about)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(out / FILES[0], _figures_json(timelines, names, about).encode())
        write_atomic(out / FILES[1], _segments_csv(timelines, names).encode())
        write_probabilities(out / PROBABILITIES, timelines)
    place = report or (out or Path()) / FILES[2]
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(place, page.encode("utf-8"))
    return place


def _figures_json(timelines: Sequence[Timeline], names: Sequence[str], about: Mapping[str, Any]) -> str:
    classes = {
        name: {
            "frames": it.frames,
            "precision": it.precision,
            "recall": it.recall,
            "segments": it.segments,
            "predicted": it.found,
            **{f"f1_{round(100 * least)}": count.f1 for least, count in it.counts.items()},
            "map": it.mean_ap,
            "delay_seconds": it.delay,
            "missed": it.missed,
            "false_alarms_an_hour": it.alarms,
        }
        for name, it in ((name, of_class(timelines, label)) for label, name in enumerate(names))
        if it.frames or it.found
    }
    content = {
        "title": about.get("title", ""),
        "source": about.get("source", ""),
        "figures": figures(timelines).flat(),
        "classes": classes,
        "subjects": {subject: of_subject.flat() for subject, of_subject in by_subject(timelines).items()},
        "recordings": {timeline.name: figures([timeline]).flat() for timeline in timelines},
    }
    return json.dumps(without_nan(content), indent=1, ensure_ascii=False) + "\n"


def _segments_csv(timelines: Sequence[Timeline], names: Sequence[str]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("recording", "start_frame", "end_frame", "start_s", "end_s", "label", "confidence"))
    lines.writerows(_rows(timelines, names))
    return text.getvalue()


def _rows(timelines: Sequence[Timeline], names: Sequence[str]) -> Iterator[list[object]]:
    for timeline in timelines:
        for segment in timeline.found:
            seconds = ["", ""]
            if timeline.fps == timeline.fps:
                seconds = [f"{at / timeline.fps:.3f}" for at in (segment.start, segment.end)]
            label, recording = spreadsheet_cell(names[segment.label]), spreadsheet_cell(timeline.name)
            yield [recording, segment.start, segment.end, *seconds, label, f"{segment.confidence:.4f}"]
