"""The cells of a notebook: a clip that plays, a few lines about a dataset, an answer, a run or a test, and pages."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.metrics import figures_to_show
from kinegraph.inference.prediction import Prediction
from kinegraph.messages import counted, plain_name
from kinegraph.notebook import ShownPath
from kinegraph.report.player import player_html
from kinegraph.report.runs import METRICS
from kinegraph.report.scene import Scene
from kinegraph.report.trained import Run
from kinegraph.skeleton.clip import SkeletonClip

MOST = 10  # rows of a table
MOST_CLASSES = 20  # of a confusion matrix
HEIGHT, PAGE_HEIGHT = 500, 790  # of the player and of a page, in pixels
LARGEST = 12_000_000  # bytes of a file that is put into a notebook
BAR = 160  # of a probability of 1
LEFT = 'style="text-align:left"'  # of each cell: notebooks have a style of their own for cells
# Of cells of a matrix, so pale that the text of a light or dark notebook stays readable.
RIGHT_CELL, WRONG_CELL = "rgba(42,102,168,{:.2f})", "rgba(217,90,40,{:.2f})"
PICTURES = {".png": "image/png", ".gif": "image/gif", ".svg": "image/svg+xml"}


def cell(thing: object) -> str:
    """HTML of one cell; "" for a file that a notebook cannot show. Raises TypeError for what is shown in no cell."""
    match thing:
        case SkeletonClip():
            return _player(thing)
        case SkeletonDataset():
            return _dataset(thing)
        case Prediction():
            return _prediction(thing)
        case Evaluation():
            return _evaluation(thing)
        case Run():
            return _run(thing)
        case ShownPath():
            return _file(thing)
    raise TypeError(f"a {type(thing).__name__} has no cell")


def _player(clip: SkeletonClip) -> str:
    """The player in a frame of its own: its script and style touch nothing else of the notebook."""
    if not clip.keypoint.any():
        return _text(f"{clip!r}: nobody is seen in it")
    return _frame(player_html(Scene(clip), fill=True), clip.name, 720, HEIGHT)


def _frame(page: str, title: str, width: int, height: int) -> str:
    style = f"width:100%;max-width:{width}px;height:{height}px;border:0"
    return f'<iframe sandbox="allow-scripts" srcdoc="{escape(page)}" style="{style}" title="{_text(title)}"></iframe>'


def _file(path: ShownPath) -> str:
    """The content of a file as HTML, so that the notebook still shows it when the file is gone."""
    kind = path.suffix.lower()
    if not path.is_file() or path.stat().st_size > LARGEST:
        return ""
    if kind in (".html", ".htm"):
        return _frame(path.read_text(encoding="utf-8"), path.name, 1100, PAGE_HEIGHT)
    packed = base64.b64encode(path.read_bytes()).decode()
    if kind == ".mp4":
        return f'<video controls loop style="max-width:100%" src="data:video/mp4;base64,{packed}"></video>'
    if kind not in PICTURES:
        return ""
    return f'<img alt="{_text(path.name)}" style="max-width:100%" src="data:{PICTURES[kind]};base64,{packed}">'


def _dataset(dataset: SkeletonDataset) -> str:
    counts = np.bincount(dataset.label[dataset.label >= 0], minlength=len(dataset.class_names))
    there = np.flatnonzero(counts)
    by_clips = there[np.argsort(-counts[there], kind="stable")][:MOST]
    parts = {split: ", ".join(f"{part} {len(dataset.indices(split, part)):,}" for part in dataset.parts(split))
             for split in dataset.splits}  # fmt: skip
    facts = {
        "clips": f"{len(dataset):,}, {int(np.median(dataset.frames)) if len(dataset) else 0} frames (median)",
        "joints": f"{len(dataset.layout)} ({dataset.layout.name}), {dataset.channels}D in {dataset.units}",
        **{f"split {split}": text for split, text in parts.items()},
        "source": dataset.source,
        "licence": dataset.licence,
    }
    rows = [(dataset.class_names[i], f"{counts[i]:,}") for i in by_clips]
    empty = len(counts) - len(there)
    more = f"<p>{counted(empty, 'class has', 'classes have')} no clip</p>" if empty and len(there) else ""
    return _heading(repr(dataset)) + _facts(facts) + _table(("class", "clips"), rows, len(there)) + more


def _prediction(prediction: Prediction) -> str:
    rows = [(name, f"{share:.1%}", share) for name, share in prediction.top(5)]
    unsure = "" if prediction.known else _heading("rather none of these classes")
    bars = "".join(
        f"<tr><td {LEFT}>{_text(name)}</td><td>{percent}</td>"
        f'<td {LEFT}><div style="background:#4269d0;height:0.8em;width:{BAR * share:.0f}px"></div>'
        "</td></tr>"
        for name, percent, share in rows
    )
    head = f"{_head('class', LEFT)}{_head('probability')}<th></th>"
    return f"{unsure}<table><thead><tr>{head}</tr></thead>{bars}</table>"


def _evaluation(evaluation: Evaluation) -> str:
    low_high = evaluation.intervals
    figures = {
        name: f"{value:.1%} ({low_high[name][0]:.1%} to {low_high[name][1]:.1%})"
        for name, value in figures_to_show(evaluation.metrics, len(evaluation.class_names)).items()
        if name in low_high
    }
    page = {"report": str(evaluation.report)} if evaluation.report else {}
    warned = "".join(f"<p>{_text(line)}</p>" for line in evaluation.warnings)
    occurring = int(evaluation.counts.occurring.sum())
    confused = _matrix(evaluation) if occurring <= MOST_CLASSES else _pairs(evaluation)
    return _heading(repr(evaluation)) + _facts(figures | page) + warned + confused


def _matrix(evaluation: Evaluation) -> str:
    """The confusion matrix: one row per class, one column per answer, as on the page of a test."""
    matrix = evaluation.matrix(MOST_CLASSES, every=0)
    head = _head("class ↓ answer →", LEFT) + "".join(map(_head, matrix.classes))
    lines = []
    for row, number in enumerate(matrix.classes):
        clips = max(int(matrix.counts[row].sum()), 1)
        cells = "".join(
            _matrix_cell(int(count), clips, row == column) for column, count in enumerate(matrix.counts[row])
        )
        lines.append(f"<tr><td {LEFT}>{number} {_text(evaluation.class_names[number])}</td>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead>{''.join(lines)}</table>"


def _matrix_cell(count: int, clips: int, right: bool) -> str:
    shade = (RIGHT_CELL if right else WRONG_CELL).format(0.1 + 0.45 * count / clips)
    return f'<td style="background:{shade}">{count:,}</td>' if count else "<td></td>"


def _pairs(evaluation: Evaluation) -> str:
    """The classes that are most confused."""
    names, pairs = evaluation.class_names, evaluation.confused_pairs()
    rows = [(names[label], names[answer], f"{clips:,}") for label, answer, clips in pairs[:MOST]]
    return _table(("class", "answered", "clips"), rows, len(pairs)) if rows else ""


def _run(run: Run) -> str:
    facts = {"best weights": run.best or "none, nothing was validated", "last weights": run.last or "not yet"}
    metrics = run.metrics
    last = range(max(len(metrics["epoch"]) - MOST, 0), len(metrics["epoch"]))
    rows = [[_figure(name, column[i]) for name, column in metrics.items()] for i in last]
    warned = "".join(f"<p>{_text(line)}</p>" for line in run.warnings)
    return _heading(repr(run)) + _facts(facts) + warned + _table(list(metrics), rows, len(metrics["epoch"]))


def _figure(name: str, value: float) -> str:
    if value != value:  # not validated in this epoch
        return ""
    return f"{value:.1%}" if name.removeprefix("val_") in METRICS else f"{value:.4g}"


# ---- parts -----------------------------------------------------------------------------------------------------------


def _text(words: object) -> str:
    return escape(plain_name(str(words)))


def _heading(words: str) -> str:
    return f"<p><b>{_text(words)}</b></p>"


def _facts(values: Mapping[str, object]) -> str:
    cells = (
        f"<tr><td {LEFT}><i>{_text(name)}</i></td><td {LEFT}>{_text(value)}</td></tr>"
        for name, value in values.items()
        if value
    )
    return f"<table>{''.join(cells)}</table>"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], of: int) -> str:
    """Columns of numbers are flush right, others flush left."""
    rows = list(rows)
    sides = ["" if all(_is_number(row[i]) for row in rows) else LEFT for i in range(len(names))]
    head = "".join(map(_head, names, sides))
    lines = (zip(row, sides, strict=True) for row in rows)
    body = "".join(f"<tr>{''.join(f'<td {side}>{_text(cell)}</td>' for cell, side in line)}</tr>" for line in lines)
    more = f"<p>{len(rows):,} of {of:,}</p>" if of > len(rows) else ""
    return f"<table><thead><tr>{head}</tr></thead>{body}</table>{more}"


def _head(words: object, side: str = "") -> str:
    """Of a column; narrow notebooks would break it within a word."""
    return f'<th {side}><span style="white-space:nowrap">{_text(words)}</span></th>'


def _is_number(text: str) -> bool:
    return not text or text[0].isdigit() or text[0] == "-"
