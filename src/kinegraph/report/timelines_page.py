"""The page of a test on long recordings: figures, ribbons of truth and prediction, bouts, classes, subjects."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.evaluation.segmental import bouts, transitions
from kinegraph.evaluation.timelines import SEVERAL_FROM, SegmentFigures, Timeline, by_subject, figures, of_class
from kinegraph.report.page import (
    bar,
    code,
    facts,
    folded,
    name,
    number,
    part,
    percent,
    quiet,
    section,
    table,
    text,
    tile,
    tiles,
    whole_page,
)
from kinegraph.report.player import player_css, player_fragment, player_js
from kinegraph.report.scene import LONGEST, Answers, Scene
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.segment import Segment

WIDTH, LEFT, ROW = 1000, 70, 16
CURVES, POINTS, DRAWN = 64, 300, 8  # height of the curves, points of each, classes that have one
SHOWN = 30  # recordings
OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
LIGHTNESS = (40, 52, 64)  # of further classes, %
NONE = "var(--line)"  # the colour of the class of nothing
MOST_TRANSITIONS = 20
PLAYED = 4  # recordings
SPANS = 60  # moments of a stretch whose probabilities are shown


def timelines_page(
    timelines: Sequence[Timeline],
    class_names: Sequence[str],
    *,
    title: str = "Test report",
    source: str = "",
    config_text: str = "",
    environment: Mapping[str, object] | None = None,
    warnings: Sequence[str] = (),
    scenes: Sequence[Scene] = (),
) -> str:
    """The page as text. timelines: of the recordings of one part, in dataset order. scenes: to be played."""
    colours = class_colours(class_names, timelines[0].none if timelines else None)
    found, several = figures(timelines), any(timeline.several for timeline in timelines)
    lines = "".join(f"<li>{text(line)}</li>" for line in warnings)
    config = folded("Config", code(config_text)) if config_text else ""
    about = folded("Environment", facts(environment or {}))
    return whole_page(
        title,
        [
            f"<header><h1>{text(title)}</h1>{quiet(text(source))}</header>",
            f'<section id="figures">{_headline(found, several)}</section>',
            section("warnings", "Warnings", f'<ul class="warnings">{lines}</ul>') if lines else "",
            _ribbons(timelines, class_names, colours),
            _played(scenes, colours),
            _bouts(timelines, class_names),
            _transitions(timelines, class_names),
            _classes(timelines, class_names),
            _subjects(timelines),
            section("details", "Details", config, about),
        ],
        css=part("timelines.css") + (player_css() if scenes else ""),
        js=player_js() if scenes else "",
    )


def class_colours(class_names: Sequence[str], none: int | None) -> list[str]:
    """A colour for each class, neighbours far apart; grey for that of nothing.

    The first ones can be told apart with every kind of colour vision. Source: Okabe and Ito 2008.
    """
    more = [f"hsl({round(i * 137.508 + 210) % 360} 55% {LIGHTNESS[i % 3]}%)" for i in range(len(class_names))]
    colours = iter([*OKABE_ITO, *more])
    return [NONE if i == none else next(colours) for i in range(len(class_names))]


def _headline(found: SegmentFigures, several: bool) -> str:
    """several: a frame may have several classes; the accuracy is then of a yes or no for each of them."""
    right = "Labels right" if several else "Frame accuracy"
    of = f"of {found.frames:,} frames" + (", of all classes" if several else "")
    cells = [tile(right, percent(found.accuracy), "", of)]
    if found.edit == found.edit:
        cells.append(tile("Edit score", percent(found.edit), "", f"{found.segments:,} segments"))
    cells += [tile(f"F1@{round(100 * least)}", percent(value)) for least, value in found.f1.items()]
    cells.append(tile("mAP", _percent(found.flat()["map"]), "", "tIoU 0.3 to 0.7"))
    if found.alarms == found.alarms:
        cells.append(tile("False alarms", f"{found.alarms:,.1f}", " an hour", f"{_percent(found.missed)} missed"))
    if found.delay == found.delay:
        cells.append(tile("Delay", f"{found.delay:.2f}", " s", "median, of the segments that were hit"))
    return tiles(*cells)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else percent(share)


def _played(scenes: Sequence[Scene], colours: Sequence[str]) -> str:
    if not scenes:
        return ""
    note = quiet("Of each of the worst recordings, the stretch with the most wrong frames.")
    own = ["" if colour == NONE else colour for colour in colours]  # the player's as those of the timelines above
    coloured = (replace(scene, answers=scene.answers and replace(scene.answers, colours=own)) for scene in scenes)
    figures = "".join(player_fragment(scene, compact=True) for scene in coloured)
    return section("mistakes", "Mistakes", note, f'<div class="players">{figures}</div>')


# ---- ribbons ---------------------------------------------------------------------------------------------------------


def _ribbons(timelines: Sequence[Timeline], class_names: Sequence[str], colours: Sequence[str]) -> str:
    """Truth above prediction, the recordings with the lowest frame accuracy first."""
    order = sorted(timelines, key=lambda timeline: figures([timeline]).accuracy)[:SHOWN]
    keys = "".join(
        f'<span style="--colour:{colour}">{text(label)}</span>'
        for label, colour in zip(class_names, colours, strict=True)
    )
    drawn = [
        f"<h3>{text(timeline.name)} <span class=quiet>{percent(figures([timeline]).accuracy)} of the frames</span></h3>"
        + _bars(timeline, class_names, colours)
        for timeline in order
    ]
    hidden = len(timelines) - len(order)
    note = "Truth above prediction, below them the likeliest classes, in %; the worst recording first." + (
        f" {hidden} better ones are not shown." if hidden > 0 else ""
    )
    content = f'<div class="classes">{keys}</div><div class="ribbons">{"".join(drawn)}</div>'
    return section("ribbons", "Timelines", quiet(note), content)


def _bars(timeline: Timeline, class_names: Sequence[str], colours: Sequence[str]) -> str:
    """Truth above prediction; where a frame may have several classes, of each class apart."""
    if not timeline.several:
        return _svg([("truth", timeline.segments), ("predicted", timeline.found)], timeline, class_names, colours)
    labels = sorted({segment.label for segment in (*timeline.segments, *timeline.found)})
    rows: list[tuple[str, list[Segment]]] = []
    for label in labels:
        rows.append((class_names[label], [segment for segment in timeline.segments if segment.label == label]))
        rows.append(("predicted", [segment for segment in timeline.found if segment.label == label]))
    return _svg(rows, timeline, class_names, colours)


def _svg(
    rows: Sequence[tuple[str, Sequence[Segment]]],
    timeline: Timeline,
    class_names: Sequence[str],
    colours: Sequence[str],
) -> str:
    frames, ribbons = len(timeline.labels), ROW * len(rows)
    height = ribbons + CURVES + 24
    scale = (WIDTH - LEFT) / max(frames, 1)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Truth and prediction of {text(timeline.name)}">'
    ]
    for place, (title, segments) in enumerate(rows):
        top = place * ROW
        parts.append(f'<text x="0" y="{top + 11}">{text(title[:11])}</text>')
        parts.append(f'<rect class="ground" x="{LEFT}" y="{top}" width="{WIDTH - LEFT}" height="{ROW - 2}"/>')
        for segment in segments:
            x, width = LEFT + segment.start * scale, max((segment.end - segment.start) * scale, 0.5)
            start, end = (_moment(frame, timeline.fps) for frame in (segment.start, segment.end))
            box = f'x="{x:.1f}" y="{top}" width="{width:.1f}" height="{ROW - 2}"'
            title = text(f"{class_names[segment.label]}, {start} to {end}")
            parts.append(f'<rect {box} style="fill:{colours[segment.label]}"><title>{title}</title></rect>')
    parts.append(_curves(timeline.probabilities, ribbons + 4, colours))
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at = f'x="{LEFT + share * (WIDTH - LEFT):.0f}" y="{height - 3}"'
        parts.append(f'<text {at} text-anchor="{anchor}">{_moment(round(share * frames), timeline.fps)}</text>')
    return "".join(parts) + "</svg>"


def _curves(probabilities: Float[np.ndarray, "T classes"], top: float, colours: Sequence[str]) -> str:
    """The probabilities of the likeliest classes over time, each point the mean of the frames up to the next."""
    frames, bottom = len(probabilities), top + CURVES
    edges = np.unique(np.linspace(0, frames, min(POINTS, frames) + 1).astype(int))
    means = np.add.reduceat(probabilities, edges[:-1], axis=0) / np.diff(edges)[:, None]
    across = LEFT + (edges[:-1] + edges[1:]) / 2 * (WIDTH - LEFT) / max(frames, 1)
    parts = [f'<text x="0" y="{top + 11}">probability</text>']
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * CURVES
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:g}" y2="{y:g}"/>')
        parts.append(
            f'<text x="{LEFT - 5}" y="{y + 4:g}" text-anchor="end">{100 * share:g}</text>' if share < 1 else ""
        )
    for label in np.argsort(-means.max(axis=0), kind="stable")[:DRAWN][::-1].tolist():
        spots = " ".join(f"{x:.0f},{bottom - CURVES * y:.1f}" for x, y in zip(across, means[:, label], strict=True))
        stroke = colours[label] if colours[label] != NONE else "var(--quiet)"  # a line needs more than an area
        parts.append(f'<polyline class="probability" points="{spots}" style="stroke:{stroke}"/>')
    return "".join(parts)


def _moment(frame: int, fps: float) -> str:
    if fps != fps:
        return f"frame {frame:,}"
    minutes, seconds = divmod(frame / fps, 60)
    return f"{int(minutes)}:{seconds:04.1f}"


# ---- tables ----------------------------------------------------------------------------------------------------------


def _bouts(timelines: Sequence[Timeline], class_names: Sequence[str]) -> str:
    rows: list[list[str]] = []
    for label, word in enumerate(class_names):
        true, said = (
            bouts([(predicted, timeline.fps) for timeline, predicted in zip(timelines, segments, strict=True)], label)
            for segments in ([timeline.segments for timeline in timelines], [timeline.found for timeline in timelines])
        )
        if true.count or said.count:
            lasts = map(_seconds, (true.mean, said.mean, true.longest, said.longest))
            rows.append([name(word), *map(number, (str(true.count), str(said.count), *lasts))])
    heads = ["Class", "#Bouts", "#Predicted", "#Mean, s", "#Predicted", "#Longest, s", "#Predicted"]
    return section("bouts", "Bouts", quiet("A bout is a segment: how often, and for how long."), table(heads, rows))


def _transitions(timelines: Sequence[Timeline], class_names: Sequence[str]) -> str:
    true = transitions([timeline.segments for timeline in timelines])
    said = transitions([timeline.found for timeline in timelines])
    pairs = sorted({*true, *said}, key=lambda pair: -true[pair] - said[pair])[:MOST_TRANSITIONS]
    rows = [
        [name(class_names[a]), name(class_names[b]), *(number(str(counts[a, b])) for counts in (true, said))]
        for a, b in pairs
    ]
    if not rows:
        return ""
    return section("transitions", "What follows what", table(["Class", "Next", "#Times", "#Predicted"], rows))


def _classes(timelines: Sequence[Timeline], class_names: Sequence[str]) -> str:
    rows: list[list[str]] = []
    for label, word in enumerate(class_names):
        of_this = of_class(timelines, label)
        if of_this.frames or of_this.found:
            found = [*(count.f1 for count in of_this.counts.values()), of_this.mean_ap]
            late = [_seconds(of_this.delay), "–" if of_this.alarms != of_this.alarms else f"{of_this.alarms:.1f}"]
            shares = [bar(of_this.precision), bar(of_this.recall), *map(_share, found)]
            rows.append([name(word), number(f"{of_this.frames:,}", of_this.frames), *shares, *map(number, late)])
    heads = ["Class", "#Frames", "#Precision, %", "#Recall, %", "#F1@10", "#F1@25", "#F1@50", "#AP", "#Delay, s"]
    note = "Precision and recall are of frames, F1 and AP of segments."
    return section("classes", "Classes", quiet(note), table([*heads, "#Alarms an hour"], rows, sortable=True))


def _subjects(timelines: Sequence[Timeline]) -> str:
    rows = [
        [
            name(subject),
            number(f"{figures_.frames:,}", figures_.frames),
            bar(figures_.accuracy),
            *map(_share, (figures_.edit, *figures_.f1.values())),
        ]
        for subject, figures_ in by_subject(timelines).items()
    ]
    heads = ["Subject", "#Frames", "#Accuracy, %", "#Edit", "#F1@10", "#F1@25", "#F1@50"]
    return section("subjects", "Subjects", table(heads, rows, sortable=True)) if len(rows) > 1 else ""


def _share(value: float) -> str:
    """A share as a number alone: bars of all columns would be wider than the page."""
    return number("–", -1) if math.isnan(value) else number(f"{100 * value:.1f}")


def _seconds(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


# ---- the stretches of long recordings that a network got most wrong, to be played ------------------------------------


def worst_scenes(timelines: Sequence[Timeline], folder: SkeletonDataset) -> list[Scene]:
    """A stretch of each of the worst recordings with a mistake, the lowest frame accuracy first."""
    places = {name: place for place, name in enumerate(folder.names)}
    found: list[Scene] = []
    for timeline in sorted(timelines, key=lambda timeline: figures([timeline]).accuracy):
        if len(found) == PLAYED or timeline.name not in places:
            break
        wrong = mistakes(timeline)
        if wrong.any():
            scene = _scene(timeline, wrong, folder[places[timeline.name]], folder.class_names)
            found += [scene] if scene is not None else []
    return found


def mistakes(timeline: Timeline) -> Bool[np.ndarray, "T"]:
    """Frames with a wrong answer; frames that are ignored have none."""
    if timeline.several:
        return ((timeline.probabilities >= SEVERAL_FROM) != timeline.labels).any(axis=1)
    return timeline.truth != timeline.predicted


def worst_stretch(wrong: Bool[np.ndarray, "T"], length: int) -> tuple[int, int]:
    """The `length` frames with the most mistakes: first frame, frame after the last."""
    if len(wrong) <= length:
        return 0, len(wrong)
    before = np.concatenate([[0], np.cumsum(wrong)])
    start = int((before[length:] - before[:-length]).argmax())
    return start, start + length


def _scene(
    timeline: Timeline, wrong: Bool[np.ndarray, "T"], clip: SkeletonClip, class_names: Sequence[str]
) -> Scene | None:
    start, stop = worst_stretch(wrong, LONGEST)
    kept = slice(start, min(stop, clip.frames))
    score = None if clip.score is None else clip.score[:, kept]
    keypoint = np.array(clip.keypoint[:, kept])
    if not keypoint.any():
        return None
    fps = None if timeline.fps != timeline.fps else timeline.fps
    part = SkeletonClip(
        keypoint, clip.layout, clip.name, score=score, fps=fps, image_size=clip.image_size, attributes=clip.attributes
    )
    said, truth = timeline.probabilities[kept], timeline.labels[kept]
    there = [class_names[label] for label in np.flatnonzero(truth.any(axis=0))]
    note = f"frames {start + 1:,} to {kept.stop:,}, {wrong[kept].mean():.0%} of them wrong"
    labelled = f"; labels: {', '.join(there)}" if there else "; no label"
    return Scene(part, note=note + labelled, answers=_answers(said, class_names))


def _answers(said: Float[np.ndarray, "T classes"], class_names: Sequence[str]) -> Answers:
    edges = np.unique(np.linspace(0, len(said), min(SPANS, len(said)) + 1).astype(int))
    shown = np.stack([said[a:b].mean(axis=0) for a, b in pairwise(edges)])
    return Answers(class_names, edges, shown)
