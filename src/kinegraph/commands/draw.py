"""`kinegraph draw INPUT OUT`: a clip as a page that plays it, a video, or a picture of key frames."""

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from rich.console import Console
from rich.progress import Progress

from kinegraph.commands.reading import Reading, watching, window_hint
from kinegraph.commands.signature import check_numbers
from kinegraph.messages import did_you_mean, first_few

if TYPE_CHECKING:
    from kinegraph.data.reading.clips.recordings import Recordings
    from kinegraph.inference.predictor import Predictor
    from kinegraph.report.scene import Answers, Pictures, Scene
    from kinegraph.skeleton.clip import SkeletonClip

SUFFIXES = (".html", ".mp4", ".gif", ".png", ".svg", ".pdf")
SIZES = {".mp4": (960, 720), ".gif": (640, 480)}


def draw(
    input: Path,
    out: Path,
    *,
    clip: str | None = None,
    weights: str | None = None,
    window: str | None = None,
    stride: str | None = None,
    explain: bool = False,
    map_layout: bool = False,
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None,
    theme: Literal["light", "dark"] = "light",
    frames: int = 8,
    size: str | None = None,
    speed: float = 1.0,
    format: str | None = None,
    plugins: list[Path] | None = None,
    **reading: Unpack[Reading],
) -> Path:
    """Draw a clip, as a page to play and turn it (.html), a video (.mp4, .gif) or a film strip (.png, .svg, .pdf).

    Args:
        input: .skeleton or UI-PRMD text file, .csv, .json or .npz of your own, annotation pickle, dataset folder,
            folder of OpenPose's JSON, a video, or a folder of such files.
        out: the file to write; its ending says what.
        clip: which clip, where there are several: its number from 0, or its name; by default the first.
        weights: also ask this network, a .safetensors file or the name of weights that come with Kinegraph.
        window: with weights: ask it about windows of so many frames, or seconds (3s), for what is done when.
        stride: from one window to the next, likewise, by default a quarter of a window.
        explain: with weights: show which joints speak for the answer when, as colour and size.
        map_layout: with weights: take the joints by name where the clip has others too.
        up: vertical axis of a 3D clip, by default the one along which people stand.
        theme: of videos and film strips; a page follows its reader's.
        frames: how many a film strip shows.
        size: of a video, such as 1280x720; by default 960x720, of a .gif 640x480.
        speed: of a video; 0.5 is slow motion.
        format: name of the file's format (see prepare), where its content does not decide it.
        plugins: Python files that define the network, where the weights name one of your own, or an estimator.

    Examples:
        kinegraph draw data/ui-prmd squat.html --clip m01_s02_e03
        kinegraph draw recording.skeleton strip.png --weights best.safetensors --explain
    """
    kind = _checked_out(out)
    asked_size = _size(size, kind)
    check_numbers(frames=frames)
    if not 0.01 <= speed <= 100:
        raise ValueError(f"speed is {speed:g}, expected 0.01 to 100")
    asked = {"window": window is not None, "explain": explain, "map-layout": map_layout}
    if weights is None and any(asked.values()):
        raise ValueError(f"--{next(name for name in asked if asked[name])} is for a network: give --weights too")
    if explain and window is not None:
        raise ValueError("--explain is for one answer for the whole clip: leave --window out")
    if stride is not None and window is None:
        raise ValueError("--stride is between windows: give --window too")
    from kinegraph.inference.inputs import read_inputs
    from kinegraph.inference.timeline import check_lengths

    check_lengths(window, stride)
    predictor, about = _predictor(weights, map_layout)
    options: dict[str, object] = {**reading, "up": up if predictor else None}
    with watching() as watch:
        options["watch"] = watch
        classes, layout = (predictor.class_names, predictor.layout) if predictor else ((), None)
        how: dict[str, Any] = {"format": format, "everybody": not predictor, "layout": layout}
        (found,) = read_inputs([input], classes, options, **how)
        chosen, label = _chosen(found, input, clip, predictor)
    pictures = _filmed(found, chosen, input)
    for line in found.assumed:
        print(f"note: assumed {line}", file=sys.stderr)
    answers = importance = None
    if predictor:
        _check_conditions(predictor, chosen, input, turned=up is not None)
        answers = _answers(predictor, chosen, window, stride)
    if explain:
        from kinegraph.inference.explanation import joint_importance, left_out

        if line := left_out(predictor):
            print(f"note: {line}", file=sys.stderr)
        chosen = predictor.fit(chosen)
        importance = joint_importance(predictor, chosen)

    from kinegraph.report.scene import Scene

    if predictor and up and chosen.keypoint.shape[3] == 3:
        up = "y"  # it was turned, for the network
    scene = Scene(chosen, note=_note(chosen), label=label, answers=answers, importance=importance, up=up,
                  fps=reading.get("fps"), pictures=pictures)  # fmt: skip
    _write(out, kind, scene, theme, frames, asked_size, speed)
    if answers is not None:
        print(_said(answers, scene))
        single = predictor and window is None and len(answers.edges) == 2  # one answer for all frames
        if single and (hint := window_hint(about, predictor.preprocessing, chosen.name, chosen.frames)):
            print(hint, file=sys.stderr)
    print(f"{out}: {scene.name}, {chosen.frames} frames, {out.stat().st_size / 1e6:.2f} MB")
    return out


# ---- what is asked for -----------------------------------------------------------------------------------------------


def _checked_out(out: Path) -> str:
    kind = out.suffix.lower()
    if kind not in SUFFIXES:
        raise ValueError(f"{out} ends in '{out.suffix}', expected {', '.join(SUFFIXES)}")
    if out.is_dir():
        raise ValueError(f"{out} is a folder, expected a file to write")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"there is no folder {out.parent} to write {out.name} to")
    if kind == ".mp4":
        from kinegraph.report.video import check_mp4

        check_mp4()  # before a network is asked
    return kind


def _size(text: str | None, kind: str) -> tuple[int, int] | None:
    if text is None:
        return None
    if kind not in SIZES:
        raise ValueError(f"--size is for .mp4 and .gif, not for {kind}")
    match = re.fullmatch(r"(\d{1,5})\s*[x×]\s*(\d{1,5})", text.strip(), re.IGNORECASE)
    if not match or not all(160 <= int(side) <= 4096 for side in match.groups()):
        raise ValueError(f"size is '{text}', expected width x height of 160 to 4096 pixels, such as 1280x720")
    return int(match[1]), int(match[2])


def _chosen(
    found: "Recordings", path: Path, wanted: str | None, predictor: "Predictor | None"
) -> tuple["SkeletonClip", str]:
    """The clip to be drawn and the name of its class. Raises ValueError where there is none of that name or number."""
    from kinegraph.inference.inputs import true_class

    names, number = [], int(wanted or 0) if (wanted or "0").isdecimal() else None
    with closing(found.clips) as clips:
        for clip in clips:
            if len(names) == number or (number is None and wanted == clip.name):
                break
            names.append(clip.name)
        else:
            raise ValueError(_no_such_clip(path, wanted, names))
        if wanted is None and (second := next(islice(clips, 1), None)) is not None:
            others = f"its {found.count:,} clips" if found.count > 1 else "its clips"
            print(
                f"{path}: drawing '{clip.name}', the first of {others}; --clip NAME or --clip NUMBER takes another, "
                f"such as '{second.name}'",
                file=sys.stderr,
            )
    classes = predictor.class_names if predictor else found.class_names
    return clip, true_class(clip.label, found.class_names, classes) or ""


def _filmed(found: "Recordings", clip: "SkeletonClip", path: Path) -> "Pictures | None":
    """What was filmed, where the clip is of a video and in its pixels."""
    if found.format != "video" or clip.keypoint.shape[3] != 2:
        return None
    from kinegraph.data.pose.film import pictures_at

    file = path if path.is_file() else path / str(clip.attributes["video"])
    return lambda frames: pictures_at(file, [frame / (clip.fps or 1) for frame in frames])


def _no_such_clip(path: Path, wanted: str, names: Sequence[str]) -> str:
    if not names:
        return f"{path} holds no clips"
    if re.fullmatch(r"-?\d+", wanted):
        return f"{path} has no clip {wanted}: its {len(names):,} clips are numbered 0 to {len(names) - 1}"
    hint = did_you_mean(wanted, names) or f"; its {len(names):,} clips are {first_few(names)}"
    return f"{path} has no clip '{wanted}'{hint}"


# ---- what the network says -------------------------------------------------------------------------------------------


def _predictor(weights: str | None, map_layout: bool) -> "tuple[Predictor | None, dict]":
    """The network of --weights, if given, and the facts in the header of its file."""
    if weights is None:
        return None, {}
    from kinegraph.inference.predictor import placed, predictor_of
    from kinegraph.models.weights import load_weights

    known = load_weights(weights)
    return placed(predictor_of(known, map_layout=map_layout)), known.extra


def _check_conditions(predictor: "Predictor", clip: "SkeletonClip", path: Path, turned: bool) -> None:
    """Raises ValueError for a clip in other units or upside down, compared with those of the training."""
    from kinegraph.inference.inputs import differences

    found = differences(predictor, [clip], turned)
    if found.wrong:
        raise ValueError(f"{path}: {'; '.join(found.wrong)}")
    for line in found.notes:
        print(f"note: {path}: {line}", file=sys.stderr)


def _answers(predictor: "Predictor", clip: "SkeletonClip", window: str | None, stride: str | None) -> "Answers":
    """One answer for the clip, or with a window one for each stretch of it."""
    from kinegraph.inference.answers import answers
    from kinegraph.inference.inputs import Question
    from kinegraph.report.scene import answers_of

    return answers_of(
        predictor.class_names,
        [(answer.start, answer.stop, answer.prediction.probabilities)
         for answer in answers(predictor, [Question(clip)], window=window, stride=stride)],
    )  # fmt: skip


def _said(answers: "Answers", scene: "Scene") -> str:
    """The answer in a line."""
    best = answers.best()
    if len(best) > 1:
        names = [answers.class_names[i] for i in best if i >= 0]
        return f"{len(names)} stretches: {', '.join(dict.fromkeys(names))}"
    name, share = answers.class_names[best[0]], answers.probabilities[0, best[0]]
    if not scene.label:
        return f"{name} {share:.1%}"
    return f"{name} {share:.1%} " + ("(right)" if scene.label == name else f"(the label says {scene.label})")


def _note(clip: "SkeletonClip") -> str:
    people = "1 person" if clip.people == 1 else f"{clip.people} people"
    seconds = f", {clip.frames / clip.fps:.1f} s" if clip.fps else ""
    return f"{people}, {clip.frames} frames{seconds}, {clip.layout.name}"


# ---- writing ---------------------------------------------------------------------------------------------------------


def _write(
    out: Path, kind: str, scene: "Scene", theme: str, frames: int, size: tuple[int, int] | None, speed: float
) -> None:
    from kinegraph.atomic import write_atomic
    from kinegraph.report.colours import DARK, LIGHT

    colours = DARK if theme == "dark" else LIGHT
    if kind == ".html":
        from kinegraph.report.player import player_html

        write_atomic(out, player_html(scene).encode())
    elif kind == ".png":
        from kinegraph.report.film_strip import film_strip_png

        write_atomic(out, film_strip_png(scene, frames, colours))
    elif kind in (".svg", ".pdf"):
        from kinegraph.report.film_strip import film_strip_vectors

        write_atomic(out, film_strip_vectors(scene, "svg" if kind == ".svg" else "pdf", frames, colours))
    else:
        from kinegraph.report.video import fitting_height, write_gif, write_mp4

        width, height = size or SIZES[kind]
        if size is None and scene.pictures is not None:
            height = fitting_height(scene, width)
        write: Callable = write_mp4 if kind == ".mp4" else write_gif
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("drawing", total=scene.clip.frames)
            write(
                out, scene, width=width, height=height, theme=colours, speed=speed,
                done=lambda count: bar.update(task, completed=count),
            )  # fmt: skip
