"""Recordings of any format as questions to a network, one after another."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any, get_args

from kinegraph.data.conditions import Conditions, Differences, compare, conditions_of
from kinegraph.data.formats import COMMON, FORMATS, options_of, recognise
from kinegraph.data.read import recordings
from kinegraph.data.reading.clips.openpose_parts import parts_in
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.steps.faults import OnFault
from kinegraph.data.tracking import CROWD
from kinegraph.inference.repetitions import Repetition, repetitions
from kinegraph.inference.trained_network import Asked
from kinegraph.messages import composed
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

LABELS = ("movement", "quality")  # ways to label a clip, of formats that have several
LOOKED_AT = 20  # clips of an input, the first ones
ANY_SIZE = ("sized", "box")  # ways to normalise that bring bodies to one size, and those that turn them upright
ANY_VERTICAL = ("ntu_published", "first_frame")


@dataclass(frozen=True, eq=False)
class Question:
    """A clip to be classified. truth: name of its class, where it is known. source: the path it was read from.

    repetitions: of each person, where they were counted.
    """

    clip: SkeletonClip
    truth: str | None = None
    source: str = ""
    repetitions: Sequence[Sequence[Repetition]] | None = None


def with_repetitions(asked: Iterable[Question]) -> Iterator[Question]:
    """The questions with the repetitions of each person counted."""
    for question in asked:
        yield replace(question, repetitions=[repetitions(body) for body in question.clip.keypoint])


def read_inputs(
    paths: Sequence[Path],
    classes: Sequence[str] = (),
    options: Mapping[str, object] | None = None,
    *,
    format: str | None = None,
    on_fault: OnFault = "stop",
    everybody: bool = False,
    layout: JointLayout | None = None,
) -> list[Recordings]:
    """The recordings of each path; coordinates are read later, while clips are taken.

    classes: the network's classes. Where a format can label clips in several ways, the way with most of these names
        is taken.
    options: facts that the files do not contain: layout, bodies, workers, pose, watch and those of `COMMON`; split and
        part of dataset folders. A format gets the options that it knows.
    everybody: take all people of a clip, where a format would keep the best few.
    layout: of the network. Files that do not state a layout get this one, unless their bodies clearly have another.
    Raises ValueError for a path that is not recognised and for an option that none of the formats has.
    """
    options = {name: value for name, value in (options or {}).items() if value is not None}
    modules = [recognise(path, format)[0] for path in paths]
    known = {name for module in modules for name in options_of(module)} | {*COMMON, "workers", "watch"}
    if unknown := [name for name in options if name not in known]:
        others = ", ".join(module.NAME for module in FORMATS if unknown[0] in options_of(module))
        names = " or ".join(sorted({module.NAME for module in modules}))
        raise ValueError(f"--{unknown[0].replace('_', '-')} is an option for {others}; {names} has no use for it")
    found = []
    for path, module in zip(paths, modules, strict=True):
        own = {name: value for name, value in options.items() if name in options_of(module) or name in COMMON}
        if "keep_missing" in options_of(module):  # of NTU RGB+D: a file that is named is meant
            own["keep_missing"] = True
        if everybody and "people" in options_of(module):
            own.setdefault("people", CROWD)
        ways = LABELS if LABELS[0] in get_args(options_of(module).get("labels")) else (None,)
        labelled = _labelled(path, format, on_fault, layout, own, ways)
        found.append(max(labelled, key=lambda recordings: len({*recordings.class_names} & {*classes})))
    return found


def _labelled(
    path: Path,
    format: str | None,
    on_fault: OnFault,
    layout: JointLayout | None,
    options: Mapping[str, object],
    ways: Sequence[str | None],
) -> Iterator[Recordings]:
    """The recordings with each way to label them; the first way always works."""
    for way in ways:
        try:
            yield _with_parts(path, layout, options | {"format": format, "on_fault": on_fault, "labels": way})
        except ValueError:
            if way == ways[0]:
                raise


def _with_parts(path: Path, layout: JointLayout | None, options: Mapping[str, Any]) -> Recordings:
    """The recordings with the hands and the face that the network knows, where the files have them."""
    further = parts_in(layout) if layout is not None and "parts" not in options else []
    if not further:
        return recordings(path, expected=layout, **options)
    recognised = recognise(path, options["format"])
    if "parts" in options_of(recognised[0]):
        with suppress(ValueError):  # the files have none: what the network lacks is said when a clip is fitted
            return recordings(path, expected=layout, recognised=recognised, parts=["body", *further], **options)
    return recordings(path, expected=layout, recognised=recognised, **options)


def questions(found: Iterable[Recordings], paths: Iterable[Path], classes: Sequence[str]) -> Iterator[Question]:
    """The clips of all recordings, one after another, with their true classes as the network spells them."""
    for source, path in zip(found, paths, strict=True):
        known: dict[int | None, str | None] = {}  # classes may be thousands, clips many more
        with closing(source.clips) as clips:
            for clip in clips:
                if clip.label not in known:
                    known[clip.label] = true_class(clip.label, source.class_names, classes)
                yield Question(clip, known[clip.label], str(path))


def true_class(label: int | None, names: Sequence[str], classes: Sequence[str]) -> str | None:
    """What a label means: the network's class of that name, else the input's own name for it.

    Where input or network has no names ("class 3", "3"), the network's class of that number.
    """
    if label is None:
        return None
    names, classes = tuple(names), tuple(classes)
    if _unnamed(names) or (_unnamed(classes) and len(names) == len(classes)):
        return classes[label] if label < len(classes) else f"class {label}"
    return _by_plain(classes).get(_plain(names[label]), names[label])


@lru_cache(maxsize=2)
def _by_plain(classes: tuple[str, ...]) -> Mapping[str, str]:
    """The classes by their plain names; of several that are alike, the first."""
    return {_plain(name): name for name in reversed(classes)}


def _plain(name: str) -> str:
    return " ".join(composed(name).casefold().replace("_", " ").split())


@lru_cache(maxsize=4)
def _unnamed(names: tuple[str, ...]) -> bool:
    return all(name.removeprefix("class ") == str(i) for i, name in enumerate(names))


# ---- recordings beside those that a network was trained on: other units, another vertical, another rate --------------


def differences(predictor: Asked, clips: Sequence[SkeletonClip], turned: bool = False) -> Differences:
    """How clips differ from those that the network was trained on, as far as its weights say it.

    turned: whether the user said which axis is upward. A clip of other joints is not compared: it is refused anyway.
    """
    comparable = [clip for clip in clips if predictor.map_layout or clip.layout.joints == predictor.layout.joints]
    return differences_from(predictor.trained, predictor.preprocessing.normalize, comparable, turned)


def differences_from(
    trained: Conditions, normalize: str, clips: Sequence[SkeletonClip], turned: bool = False
) -> Differences:
    """The same from the conditions of the training and the way to normalise."""
    if not clips:
        return Differences()
    dimensions, any_vertical = clips[0].keypoint.shape[3], turned or normalize in ANY_VERTICAL
    return compare(trained, conditions_of(clips), dimensions, any_size=normalize in ANY_SIZE, any_vertical=any_vertical)


def compared(
    asked: Iterable[Question], predictor: Asked, say: Callable[[str], None], turned: bool = False, each: bool = False
) -> Iterator[Question]:
    """The questions, after the first clips of each input were compared. say: gets what is only worth knowing.

    each: every person is seen alone; else those that the network does not see are said.
    Raises ValueError where answers would be wrong.
    """
    for source, questions in groupby(asked, key=lambda question: question.source):
        first = list(islice(questions, LOOKED_AT))
        found = differences(predictor, [question.clip for question in first], turned)
        if found.wrong:
            raise ValueError(f"{source}: {'; '.join(found.wrong)}")
        for line in found.notes:
            say(f"{source}: {line}")
        people = max(int(question.clip.keypoint.any((1, 2, 3)).sum()) for question in first)
        seen = predictor.preprocessing.people
        if people > seen and not each:
            those = "the first" if seen == 1 else f"the first {seen}"
            say(f"{source}: clips of up to {people} people, the network sees {those}; --per-person answers for each")
        yield from first
        yield from questions  # noqa: B031  what is left of the group
