"""The process that reads recordings and answers: one job after another, until the server ends.

A job is a file in a temporary folder and what the request says of it; the answer is plain data.
"""

import json
import os
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinegraph.data.formats import FORMATS, recognise
from kinegraph.inference.answers import Answer, answers, facts
from kinegraph.inference.inputs import Question, compared, questions, read_inputs, with_repetitions
from kinegraph.inference.prediction import clip_of, size_of
from kinegraph.inference.timeline import check_lengths
from kinegraph.inference.trained_network import Asked, answering, asked_of
from kinegraph.messages import did_you_mean, one_line, quoted
from kinegraph.plugins import load_plugins
from kinegraph.report.player import player_fragment
from kinegraph.report.scene import Scene, answers_of, thinned
from kinegraph.safe_io import read_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import layout_names

if TYPE_CHECKING:  # torch takes seconds to import, and an exported network does without it
    from kinegraph.inference.exported import Exported
    from kinegraph.inference.predictor import Predictor

OWN = "(that of the network)"  # a layout that is not built in
CLIP = "clip.json"  # the name of an upload that is coordinates as JSON
SUFFIXES = tuple(sorted({suffix for module in FORMATS for suffix in module.SUFFIXES} | {".json", ".txt"}))
MORE = f".csv, .json, .npz and {len(SUFFIXES) - 3} others"
MOST_ANSWERS = 10_000
LONG = 2  # times the median length of training clips, from which a recording gets a timeline by itself
MOST_FRAMES = 5_000  # that the page plays; of longer ones, every second, third ...


@dataclass(frozen=True)
class Asking:
    """What a request may say of a recording; see `kinegraph predict`. clip: the number of the clip in the file that is
    answered, by default all. player: also give the first of them as a player for a page. window: "auto" gives a
    timeline of recordings that are longer than those of the training. layout: a built-in one, or OWN."""

    top: int = 5
    per_person: bool = False
    window: str | None = None
    stride: str | None = None
    count: bool = False
    clip: int | None = None
    format: str | None = None
    layout: str | None = None
    map_layout: bool = False
    fps: float | None = None
    image_size: str | None = None
    units: str | None = None
    up: str | None = None
    player: bool = False

    def __post_init__(self) -> None:
        if self.clip is not None and self.clip < 0:
            raise ValueError(f"clip is {self.clip}, expected a number from 0 on")
        if not 1 <= self.top <= 1000:
            raise ValueError(f"top is {self.top}, expected 1 to 1,000")
        if self.layout not in (None, OWN):
            check_layout(self.layout)
        if self.image_size is not None:
            size_of(self.image_size)
        if self.stride is not None and self.window in (None, "auto"):
            raise ValueError("stride is between windows: give window too")
        if self.window != "auto":
            check_lengths(self.window, self.stride)


def check_layout(name: str) -> None:
    """Raises ValueError for a name of no built-in layout: a path would be one of this machine."""
    if name not in layout_names():
        raise ValueError(f"no layout {quoted(name)}; built in are {', '.join(layout_names())}")


def asking_of(query: Mapping[str, str], own: str) -> Asking:
    """The options of a request. own: name of the network's layout, which may be asked for.

    Raises ValueError for an option that there is not, and for a value that does not fit.
    """
    known, values = {field.name: str(field.type) for field in fields(Asking)}, dict[str, Any]()
    for name, text in query.items():
        kind = known.get(name)
        if kind is None:
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            raise ValueError(f"there is no option {quoted(name)}{hint}")
        values[name] = value_of(name, text, kind)
    if values.get("layout") == own and own not in layout_names():
        values["layout"] = OWN
    return Asking(**values)


def value_of(name: str, text: str, kind: str) -> object:
    """A text as a value of a kind, such as "int | None". Raises ValueError that names the option."""
    if "bool" in kind:
        if text.lower() not in ("", "0", "1", "true", "false"):
            raise ValueError(f"{name} is {quoted(text)}, expected true or false")
        return text.lower() not in ("0", "false")
    with suppress(ValueError):
        if "int" in kind:
            return int(text)
        return float(text) if "float" in kind else text
    raise ValueError(f"{name} is {quoted(text)}, expected a number")


def upload_name(name: str) -> str:
    """A file name of letters, digits, - and _ with an ending that a format has. Raises ValueError for another ending.

    Formats read facts from names (S001C001P001R001A001), so not all of a name is dropped.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    suffix = f".{ending}".lower()
    if not dot or suffix not in SUFFIXES:
        raise ValueError(f"the file is called {quoted(last)}: no format has this ending; {MORE} do")
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in stem)[:80]
    return f"{kept or 'recording'}{suffix}"


# ---- the process -----------------------------------------------------------------------------------------------------


def work(
    connection: Connection, weights: str, device: str, engine: str, plugins: Sequence[str], pose: str | None
) -> None:
    """Answer the jobs that come. A job: path, name, asking; an answer: "answer", or "error" and whether it is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    os.nice(5)  # frames that come live go first
    load_plugins(map(Path, plugins))
    asked = answering(asked_of(weights), device, engine, lambda _: None)
    connection.send_bytes(b'"ready"')
    while True:
        try:
            job = json.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        connection.send_bytes(json.dumps(_answered(asked, job, pose)).encode())


def _answered(asked: "Predictor | Exported", job: Mapping[str, Any], pose: str | None) -> dict[str, Any]:
    path, name = Path(job["path"]), job["name"]
    try:
        return {"answer": answered(asked, path, name, Asking(**job["asking"]), pose)}
    except (ValueError, OSError, MemoryError) as error:
        text = str(error) or type(error).__name__
        for place, shown in ((path, name), (path.parent, "."), (path.parents[1], ".."), (path.parents[2], "..")):
            text = text.replace(str(place.resolve()), shown).replace(str(place), shown)
        return {"error": one_line(text), "ours": False}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__} while reading {name}; the server's terminal says more", "ours": True}


def answered(
    predictor: "Predictor | Exported", path: Path, name: str, asking: Asking, pose: str | None = None
) -> dict[str, Any]:
    """The answers to an upload as plain data. Raises ValueError where it cannot be read or does not fit."""
    notes: list[str] = []
    predictor = replace(predictor, map_layout=asking.map_layout)
    given, changes = _questions(predictor, path, name, asking, pose, notes)
    rows: list[dict[str, Any]] = []
    player = None
    with closing(given):
        asked = with_repetitions(given) if asking.count else given
        for number, question in enumerate(asked, asking.clip or 0):
            window = _window(asking, predictor, question.clip)
            found = list(answers(predictor, [question], per_person=asking.per_person, window=window,
                                 stride=asking.stride))  # fmt: skip
            rows += [_row(answer, number, asking.top) for answer in found]
            if asking.player and player is None:
                whole = found if not asking.per_person else list(answers(predictor, [question], window=window))
                player = player_fragment(_scene(predictor, question, whole))
            if len(rows) >= MOST_ANSWERS:
                notes.append(f"these are the first {len(rows):,} answers; `kinegraph predict` gives all")
                break
    if not rows:
        raise ValueError(f"{name} holds no clip" + ("" if asking.clip is None else f" of number {asking.clip}"))
    result = {"name": name, "answers": rows, "notes": [*notes, *changes()]}
    return result | ({"player": player} if player else {})


def _questions(
    predictor: Asked, path: Path, name: str, asking: Asking, pose: str | None, notes: list[str]
) -> tuple[Any, Any]:
    """The clips of an upload, and a function that gives what was changed in them. notes: is filled meanwhile."""
    if path.name == CLIP:
        asked = iter([Question(clip_of_json(path, predictor, asking), source=name)] if not asking.clip else [])
        return compared(asked, predictor, notes.append, each=asking.per_person), list
    options: dict[str, object] = {key: getattr(asking, key) for key in ("layout", "fps", "image_size", "units", "up")}
    if asking.layout == OWN:
        place = path.parent / "layout.yaml"
        place.write_text(json.dumps(predictor.layout.to_dict()), encoding="utf-8")
        options["layout"] = str(place)
    if recognise(path, asking.format)[0].NAME == "video":
        options |= {"pose": pose, "cache": "off"}
    how: dict[str, Any] = {"format": asking.format, "everybody": asking.per_person, "layout": predictor.layout}
    found = read_inputs([path], predictor.class_names, options, **how)
    asked: Iterator[Question] = questions(found, [Path(name)], predictor.class_names)
    if asking.clip is not None:
        asked = islice(asked, asking.clip, asking.clip + 1)
    checked = compared(asked, predictor, notes.append, asking.up is not None, asking.per_person)
    return checked, lambda: [
        line for recordings in found for line in (*recordings.assumed, *recordings.skipped(), *recordings.changed())
    ]


def clip_of_json(path: Path, predictor: Asked, asking: Asking) -> SkeletonClip:
    """The clip of {"keypoint": ..., "score": ..., "fps": ..., "image_size": ..., "layout": ...}."""
    if given := [name for name in ("format", "units", "up") if getattr(asking, name) is not None]:
        raise ValueError(f"{given[0]} is for a file; the coordinates of a clip are taken as the network has them")
    content = read_json(path)
    if not isinstance(content, Mapping) or "keypoint" not in content:
        raise ValueError('the clip is no object with "keypoint": frames of joints, or people of frames of joints')
    if unknown := content.keys() - {"keypoint", "score", "fps", "image_size", "layout"}:
        raise ValueError(
            f"the clip has {quoted(sorted(unknown)[0])}, expected keypoint, score, fps, image_size, layout"
        )
    try:
        keypoint = np.array(content["keypoint"], np.float32)
        score = None if content.get("score") is None else np.array(content["score"], np.float32)
        fps = asking.fps or (None if content.get("fps") is None else float(content["fps"]))
    except (TypeError, ValueError, OverflowError):
        raise ValueError("keypoint, score or fps of the clip hold something else than numbers, or are uneven") from None
    size = asking.image_size or content.get("image_size")
    layout = asking.layout or content.get("layout")
    if layout in (None, OWN, predictor.layout.name):
        clip = clip_of(keypoint, predictor.layout, score)
    else:
        check_layout(str(layout))
        clip = SkeletonClip(keypoint, str(layout), score=score)
    if not np.isfinite(clip.keypoint).all() or (fps is not None and not 0 < fps < 10_000):
        raise ValueError("keypoint or fps of the clip are not finite, or fps is not above 0")
    return replace(clip, name="clip", fps=fps, image_size=None if size is None else size_of(size))


def _window(asking: Asking, predictor: "Predictor | Exported", clip: SkeletonClip) -> str | None:
    if asking.window != "auto":
        return asking.window
    if getattr(predictor, "of_frames", False):  # which answers for every frame, as in `kinegraph predict`
        return None
    frames = predictor.training.get("frames")
    median = frames[1] if isinstance(frames, list | tuple) and len(frames) == 3 and type(frames[1]) is int else 0
    return str(median) if 0 < LONG * median < clip.frames else None


def _scene(predictor: Asked, question: Question, found: Sequence[Answer]) -> Scene:
    clip, step = question.clip, -(-question.clip.frames // MOST_FRAMES)
    clip = clip if step == 1 else thinned(clip, step)
    spans = [(answer.start // step, answer.stop // step, answer.prediction.probabilities) for answer in found]
    spans = [span for span in spans if span[0] < span[1]]
    said = answers_of(predictor.class_names, spans) if spans else None
    return Scene(clip, label=question.truth or "", answers=said)


def _row(answer: Answer, number: int, top: int) -> dict[str, Any]:
    """An answer as plain data. number: of the clip in its file."""
    best = [{"class": name, "probability": round(value, 6)} for name, value in answer.prediction.top(top)]
    about = {key: value for key, value in facts(answer).items() if key != "source"}
    return about | {"clip_number": number, "top": best}


def job_of(path: Path, name: str, asking: Asking) -> dict[str, Any]:
    """A job as plain data."""
    return {"path": str(path), "name": name, "asking": asdict(asking)}
