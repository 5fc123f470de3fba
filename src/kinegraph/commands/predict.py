"""`kinegraph predict WEIGHTS INPUT...`: what is done in recordings, as a table on the screen or in a file."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from kinegraph.commands.reading import Reading, say_of_inputs, weights_first, window_hint
from kinegraph.commands.signature import check_numbers
from kinegraph.files import check_new_file
from kinegraph.messages import counted, plain_name, shortened
from kinegraph.screen import anybody_reads, note

if TYPE_CHECKING:  # torch takes seconds to import: not for --help
    from jsonargparse import Namespace
    from rich.console import Console

    from kinegraph.data.reading.clips.recordings import Recordings
    from kinegraph.inference.answers import Answer
    from kinegraph.inference.exported import Exported
    from kinegraph.inference.inputs import Question
    from kinegraph.inference.predictor import Predictor
    from kinegraph.models.weights import Weights

MANY = 64  # clips, for which making the network quick is worth its time
MEASURED = 8  # clips or windows that choose the fastest engine
ROWS_SHOWN = 20  # of answers that are written to a file too
WIDEST = 40  # characters; longer names of classes push their row, of clips lose their middle
ROOM = 4  # for names longer than the first
TIME = 19


def predict(
    weights: Path,
    inputs: list[Path],
    *,
    top: int | None = None,
    per_person: bool = False,
    count: bool = False,
    window: str | None = None,
    stride: str | None = None,
    least: str | None = None,
    out: Path | None = None,
    split: str | None = None,
    part: str | None = None,
    map_layout: bool = False,
    format: str | None = None,
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None,
    people: int | None = None,
    skip_broken: bool = False,
    preprocessing: Path | None = None,
    class_names: str | None = None,
    device: str = "auto",
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true"] = "32-true",
    engine: Literal["torch", "auto", "onnxruntime", "openvino"] = "torch",
    batch_size: int = 32,
    workers: int = 1,
    plugins: list[Path] | None = None,
    **reading: Unpack[Reading],
) -> None:
    """Say what is done in recordings: in a clip, by each person in it, or when in a long one.

    Args:
        weights: a .safetensors file, the name of weights that come with Kinegraph, an .onnx file of `kinegraph export`,
            or with --preprocessing a .pth of MMAction2, PYSKL or yysijie/st-gcn.
        inputs: .skeleton files, UI-PRMD text files, .csv, .json or .npz of your own, annotation pickles, dataset
            folders, folders of OpenPose's JSON, videos, or folders of such files.
        top: classes to show for each clip; by default 5 for one clip, 1 for several.
        per_person: an answer for each person in a clip instead of one for all.
        count: also count the repetitions of an exercise that comes back to its first pose.
        window: for long recordings: a timeline, from windows of so many frames, or seconds (3s).
        stride: from one window to the next, likewise, by default a quarter of a window.
        least: of a network that answers for every frame: shorter stretches go to their neighbours (0.5s).
        out: also write the answers to a .csv or .json file, each with its 5 likeliest classes or --top.
        split: of a dataset folder: only the clips of one part of a split.
        part: part of the split, by default val, or test where there is no val.
        map_layout: take the joints by name where a recording has others, too, or names them as motion capture does.
        format: name of the files' format (see prepare), where their content does not decide it.
        up: vertical axis of the files (see prepare), where it is another one than in training.
        people: bodies to keep of a clip, see prepare; with --per-person by default everybody.
        skip_broken: leave out what is broken and list it at the end, instead of stopping.
        preprocessing: for a .pth: the YAML config of its recipe, which says how clips are prepared.
        class_names: for a .pth: text file with one class name per line, or ntu60, ntu120, babel60, babel120.
        device: cpu, cuda or auto.
        precision: 32-true (or fp32), 16-mixed (fp16), bf16-mixed (bf16) or 64-true.
        engine: what computes the network; auto measures once which is the fastest on this machine, torch, the network
            made quick, or what is installed of onnxruntime and openvino, and keeps that in ~/.cache/kinegraph/engines.
        batch_size: clips or windows at a time.
        workers: processes that read .skeleton files.
        plugins: Python files that define the network, where the weights name one of your own, or an estimator.

    Examples:
        kinegraph predict ui-prmd-10 Positions/m03_s02_e01_positions.txt
        kinegraph predict best.safetensors data/ntu60 --split xsub --out answers.csv
        kinegraph predict mine.safetensors squats.csv --count
        kinegraph predict best.safetensors long.npz --window 3s --stride 0.5s --fps 30
    """
    check_numbers(top=top, people=people, batch_size=batch_size, workers=workers)
    if stride is not None and window is None:
        raise ValueError("--stride is between windows: give --window too")
    if part is not None and split is None:
        raise ValueError("--part is of a split: give --split too")
    from rich.console import Console

    from kinegraph.commands.reading import watching
    from kinegraph.inference.answers import answer_file, answers, pieces
    from kinegraph.inference.inputs import compared, questions, read_inputs, with_repetitions
    from kinegraph.inference.timeline import check_lengths
    from kinegraph.inference.trained_network import by_engine, placed_asked

    weights, inputs = weights_first("predict", weights, inputs)
    if out:
        check_new_file(out, (".csv", ".json"))
    for length, between in ((window, stride), (least, None)):
        if length is not None:
            check_lengths(length, between)
    with ExitStack() as opened:
        options: dict[str, object] = {**reading, "up": up, "people": people, "split": split, "part": part}
        options |= {"workers": workers, "watch": opened.enter_context(watching())}
        on_fault = "skip" if skip_broken else "stop"
        read = partial(read_inputs, inputs, options=options, format=format, on_fault=on_fault, everybody=per_person)
        predictor, found, about = _predictor_and_inputs(weights, read, preprocessing, class_names, map_layout)
        clips, console = sum(recordings.count for recordings in found), Console(highlight=False, soft_wrap=True)
        of_frames = getattr(predictor, "of_frames", False) and window is None
        timeline = window is not None or of_frames
        if least is not None and not of_frames:
            raise ValueError("--least is for networks that answer for every frame (task: frames): leave it out")
        many = not of_frames and (clips >= MANY or window is not None)
        predictor = placed_asked(predictor, device, precision, many, engine, note)
        single = clips == 1 and not per_person and not timeline
        shown, written = top or (5 if single else 1), min(top or 5, len(predictor.class_names))
        table = AnswerTable(console, predictor.class_names, shown, per_person=per_person, timeline=timeline)
        asked = opened.enter_context(closing(questions(found, inputs, predictor.class_names)))
        asked = opened.enter_context(closing(compared(asked, predictor, note, turned=up is not None, each=per_person)))
        if count:
            asked = opened.enter_context(closing(with_repetitions(asked)))
        if not any(recordings.format == "video" for recordings in found):  # which has a bar of its own
            asked = opened.enter_context(closing(_counted(asked, clips, console, quiet=out is None)))
        ways = {"per_person": per_person, "window": window, "stride": stride}
        if engine != "torch":
            first = list(islice(asked, MEASURED if window is None else 1))
            some = list(islice(pieces(predictor, first, **ways), MEASURED))
            predictor = by_engine(predictor, engine, some, note)
            asked = chain(first, asked)
        write = opened.enter_context(answer_file(out, written)) if out else None
        hint: str | None = None  # about the first clip that is very long
        for answer in answers(predictor, asked, batch_size=batch_size, least=least or 1, **ways):
            table.add(answer, show=write is None or table.answers < ROWS_SHOWN)
            if not timeline and hint is None:
                name, frames = answer.question.clip.name, answer.stop - answer.start
                hint = window_hint(about, predictor.preprocessing, name, frames)
            if write is not None:
                write(answer)
            elif not anybody_reads():
                break
    table.finish(out, synthetic=any("synthetic" in recordings.source.lower() for recordings in found))
    say_of_inputs(found, inputs)
    if hint:
        print(hint, file=sys.stderr)


def _predictor_and_inputs(
    weights: Path,
    read: "Callable[..., list[Recordings]]",
    preprocessing: Path | None,
    class_names: str | None,
    map_layout: bool,
) -> "tuple[Predictor | Exported, list[Recordings], dict]":
    """The network, the recordings to predict, and the facts in the header of the weights.

    Weights of other projects take layout and class names from the recordings.
    """
    from kinegraph.inference.exported import load_exported
    from kinegraph.models.weights_path import is_exported

    if is_exported(weights):
        if preprocessing is not None or class_names is not None:
            raise ValueError(f"--preprocessing and --class-names are for .pth checkpoints; {weights} knows its own")
        exported = load_exported(weights, map_layout=map_layout).ready()
        return exported, read(classes=exported.class_names, layout=exported.layout), {"training": exported.training}
    from kinegraph.data.preprocessing import Preprocessing
    from kinegraph.inference.predictor import predictor_of
    from kinegraph.models.weights import load_weights
    from kinegraph.models.weights_path import is_published

    config, steps = None, None
    if preprocessing is not None:
        from kinegraph.commands.arguments import read_config
        from kinegraph.commands.train import train

        config = read_config(train, preprocessing)
        steps = Preprocessing.from_dict(config.preprocessing.as_dict())
    if is_published(weights):
        if config is None:
            raise ValueError(f"{weights} does not say how clips are prepared for it: give --preprocessing CONFIG.yaml")
        found = read()
        known = _published(weights, config, class_names, found[0])
    elif class_names is not None:
        raise ValueError(f"--class-names is for .pth checkpoints; {weights} knows its classes")
    else:
        known = load_weights(weights)
        found = read(classes=known.class_names, layout=known.layout)
    return predictor_of(known, steps, map_layout=map_layout), found, known.extra


def _published(path: Path, config: "Namespace", class_names: str | None, found: "Recordings") -> "Weights":
    """A .pth with layout and class names: as given, or of the config's dataset, or of the recordings."""
    from kinegraph.data.dataset import open_dataset
    from kinegraph.data.reading.clips.conventions import names_of_classes
    from kinegraph.data.reading.clips.published_names import ntu_class_names
    from kinegraph.models.convert import published_weights
    from kinegraph.models.published import infer_layout, load_published
    from kinegraph.skeleton.layout import load_layout

    model = load_published(path)
    classes = model.config["classes"]
    names = found.class_names
    if class_names is not None:
        names = names_of_classes(class_names, (), ())
    elif (dataset := Path(str(config.dataset))).is_dir():
        names = open_dataset(dataset).class_names
    elif classes == 60 and names == ntu_class_names(120):
        names = ntu_class_names(60)
    layout = load_layout(config.layout) if config.layout else infer_layout(model) or found.layout
    fitting = names if class_names is not None or len(names) == classes else None
    return published_weights(path, layout=layout, class_names=fitting, say=note)


def _counted(asked: Iterable, total: int, console: "Console", quiet: bool) -> Iterator:
    """With a bar on the terminal, where no table grows on it."""
    from rich.console import Console
    from rich.progress import track

    bar = console if console.is_terminal else Console(stderr=True)
    hidden = not bar.is_terminal or (quiet and console.is_terminal)
    return track(asked, "predicting", total, console=bar, transient=True, disable=hidden)


# ---- the table on the screen -----------------------------------------------------------------------------------------


class AnswerTable:
    """Prints answers and counts them. top: classes shown of each."""

    def __init__(self, console: "Console", class_names: Sequence[str], top: int, *, per_person: bool, timeline: bool):
        self.console, self.top, self.per_person, self.timeline = console, top, per_person, timeline
        self.clip_width, self.class_width = 12, max(len("class"), *(min(len(name), WIDEST) for name in class_names))
        self.last: Question | None = None
        self.answers = self.shown = self.right = self.wrong = self.unknown = 0

    def add(self, answer: "Answer", show: bool = True) -> None:
        """Count an answer, and print it."""
        self.answers += 1
        self.right += answer.right is True
        self.wrong += answer.right is False
        self.unknown += answer.right is None and answer.question.truth is not None
        if show:
            self._print(answer)

    def finish(self, out: Path | None, synthetic: bool = False) -> None:
        """Print what is not in the rows: how many there are, how many are right, where they are."""
        say = self.console.print
        if self.answers > self.shown:
            say(f"... and {self.answers - self.shown:,} more")
        judged = self.right + self.wrong
        if judged > 1 and not self.timeline:
            of = "synthetic recordings are" if synthetic else "are"
            say(f"accuracy {self.right / judged:.1%}: {self.right:,} of {judged:,} {of} right")
        if self.unknown and not self.timeline:
            say(f"{self.unknown:,} are of classes that the network does not know")
        if out:
            say(f"{counted(self.answers, 'answer')} in {out}")

    def _print(self, answer: "Answer") -> None:
        question = answer.question
        from rich.text import Text

        name = plain_name(question.clip.name or Path(question.source).name)
        if self.last is None:
            self.clip_width = min(max(self.clip_width, len(name) + ROOM), WIDEST)
            self.console.print(Text(self._row("clip", "person", "time", "class") + "  probability", "bold"))
        name = "" if self.last is question else shortened(name, self.clip_width)
        for place, (of_class, probability) in enumerate(answer.prediction.top(self.top)):
            first = place == 0
            where = (name, plain_name(str(answer.who)), _time(answer)) if first else ("", "", "")
            line = Text(self._row(*where, ""), "bold" if first else "")
            line.append(f"{plain_name(of_class):<{self.class_width}}", "bold" if first else "")
            line.append(f"{probability:13.1%}")
            if first:
                if answer.repetitions is not None:
                    line.append(f"  {counted(answer.repetitions, 'repetition')}")
                line.append(*(_doubt(answer) if self.timeline else _verdict(answer)))
            self.console.print(line)
        self.last, self.shown = question, self.shown + 1

    def _row(self, clip: str, person: str, time: str, of_class: str) -> str:
        cells = f"{clip:<{self.clip_width}}  "
        cells += f"{person:>6}  " if self.per_person else ""
        cells += f"{time:<{TIME}}  " if self.timeline else ""
        return cells + (f"{of_class:<{self.class_width}}" if of_class else "")


def _time(answer: "Answer") -> str:
    if answer.seconds is None:
        return f"frames {answer.start}-{answer.stop - 1}"
    start, end = answer.seconds
    return f"{start:7.2f} -{end:8.2f} s"


def _doubt(answer: "Answer") -> tuple[str, str]:
    """What is said of a stretch whose likeliest class is not likely enough to be there."""
    prediction = answer.prediction
    if prediction.known:
        return "", ""
    return f"  no class reaches {prediction.least:.0%}, this is the likeliest", "yellow"


def _verdict(answer: "Answer") -> tuple[str, str]:
    """What is known of the truth, and its colour."""
    if answer.question.truth is None:
        return ("", "") if answer.prediction.known else ("  rather none of the classes", "yellow")
    truth = plain_name(answer.question.truth)
    if answer.right is None and not answer.prediction.known:
        return f"  right to doubt: it is {truth}", "green"
    if answer.right is None:
        return f"  it is {truth}, which the network does not know", "yellow"
    return ("  right", "green") if answer.right else (f"  wrong, it is {truth}", "red")
