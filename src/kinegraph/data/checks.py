"""What is wrong with recordings: every fault with the names of its clips, not only the first.

A `problem` would stop training or falsify what it reports, a `note` is only worth knowing. Clips are judged by their
summaries, see `clip_summary`, so that any number of them can be looked at. Nothing here raises because of what a file
holds.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from kinegraph.data.clip_summary import FLAT_UNITS, ClipSummary, likely_layout, third_is_score, units_of
from kinegraph.data.dataset_write import LARGEST
from kinegraph.data.reading.clips.recordings import means_nobody
from kinegraph.data.reading.steps.clip_names import suggested
from kinegraph.data.repeats import repeats
from kinegraph.data.split_names import held_out, order_of
from kinegraph.messages import counted
from kinegraph.skeleton.layout import JointLayout

Severity = Literal["problem", "note"]
SMALLEST = 1e-6  # body
FEW = 3  # training clips of a class, on average
FOLD = 10  # a clip whose bodies are so many times larger or smaller than usual has other units
OTHER_RATE = 1.25  # times as many frames a second as another clip
EMPTY_FRAMES = 0.25  # of a clip's frames
LONG_BONES = 0.4  # of a body's size
BY_DESIGN = ("xview", "xset")  # splits of NTU RGB+D that share subjects; they are by camera and by setup


@dataclass(frozen=True)
class Finding:
    """One fault and the clips that have it; kind is a short name for programs."""

    severity: Severity
    kind: str
    message: str
    clips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What is said about the clips, where it is said: layout, number of classes, units (m, mm, px, [-1, 1]).

    flat_units: of (x, y) or (x, y, score), where they differ.
    class_names: where they are known.
    """

    layout: JointLayout | None = None
    classes: int | None = None
    units: str | None = None
    flat_units: str | None = None
    class_names: tuple[str, ...] = ()

    def class_name(self, label: int) -> str:
        """A class as people know it."""
        return self.class_names[label] if 0 <= label < len(self.class_names) else f"class {label}"


def units_expected(units: str) -> tuple[str | None, str | None]:
    """The units of 3D and of 2D coordinates, as far as a dataset's units say them."""
    return ("m" if units == "m" else None), ("px" if units == "px" else None)


def problem(kind: str, message: object, *clips: str) -> Finding:
    """A problem; message: also an error, of which one of the system names the file and the cause."""
    if isinstance(message, OSError) and message.filename and message.strerror:
        message = f"{message.filename}: {message.strerror.lower()}"
    return Finding("problem", kind, str(message), clips)


def findings(facts: Sequence[ClipSummary], expected: Expected, complete: bool = True) -> list[Finding]:
    """Everything that is wrong or remarkable, problems first. complete: no clip of the file was left out."""
    checks: list[Callable[[Sequence[ClipSummary], Expected], Iterable[Finding]]] = [
        _faults, _shapes, _values, _labels, _units, _directions, _subjects, _rates, _contents, _repeats,
    ]  # fmt: skip
    if complete:
        checks += [_parts, _classes]
    found = [finding for check in checks for finding in check(facts, expected)]
    return sorted(found, key=lambda finding: finding.severity != "problem")


def _of(facts: Iterable[ClipSummary]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clip.name for clip in facts))


def _on(clips: Sequence[ClipSummary], severity: Severity, kind: str, message: str) -> Iterable[Finding]:
    """A finding on these clips; none where there are none."""
    if clips:
        yield Finding(severity, kind, message, _of(clips))


def _faults(facts, expected) -> Iterable[Finding]:
    groups = defaultdict(list)
    for clip in facts:
        if clip.fault:  # places differ by their numbers
            groups[clip.fault.kind, re.sub(r"\d+", "", clip.fault.message)].append(clip)
    for (kind, _), clips in groups.items():
        first, more = clips[0].fault.message, f"; {len(clips) - 1:,} more like it" if len(clips) > 1 else ""
        yield Finding("problem", kind, f"{first}{more}", tuple(name for name in _of(clips) if name))


def _shapes(facts, expected) -> Iterable[Finding]:
    shaped = [clip for clip in facts if clip.shape]
    for axes in sorted({clip.axes for clip in shaped if clip.axes}):
        message = f"swapped axes: looks like ({', '.join(axes)}), expected (M, T, V, C)"
        yield from _on([clip for clip in shaped if clip.axes == axes], "problem", "swapped_axes", message)
    if not shaped:
        return
    joints, channels = Counter(clip.shape[2:] for clip in shaped).most_common(1)[0][0]
    for count in sorted({clip.shape[3] for clip in shaped} - {channels}):
        message = f"{count} channels, most clips have {channels}"
        yield from _on([clip for clip in shaped if clip.shape[3] == count], "problem", "channels", message)
    if expected.layout is None and (near := likely_layout(joints + 1)) and len(near) == 25:
        # 24 joints have a layout, too, which hardly any published file has: one of 25 was lost.
        lost = f"{joints} joints, one less than '{near.name}'; if none was lost, name the layout by --layout"
        yield from _on([clip for clip in shaped if clip.shape[2] == joints], "problem", "joints", lost)


def _values(facts, expected) -> Iterable[Finding]:
    shaped = [clip for clip in facts if clip.shape]
    empty = "nobody in it: no frames, or every joint zero"
    unlike = [clip for clip in shaped if clip.label is None or not means_nobody(expected.class_name(clip.label))]
    yield from _on([clip for clip in unlike if not clip.present], "problem", "empty", empty)
    yield from _on([clip for clip in shaped if clip.shape[1] == 1], "note", "one_frame", "only one frame")
    yield from _on([clip for clip in shaped if clip.still], "note", "still", "nobody moves: all frames are the same")
    yield from _on(
        [clip for clip in shaped if clip.missing > 0.5], "note", "missing", "more than half of the joints missing"
    )
    empty_frames = [clip for clip in shaped if clip.nobody > EMPTY_FRAMES]
    most = max((clip.nobody for clip in empty_frames), default=0)
    message = f"nobody is in up to {most:.0%} of the frames of a clip: out of sight, or not numbered one by one?"
    yield from _on(empty_frames, "note", "nobody", message)
    message = "the first person is in no frame: a network of one person sees nobody; leave --bodies rows out"
    yield from _on([clip for clip in shaped if clip.second], "note", "second", message)
    yield from _unseen(shaped)
    outside = "scores outside of 0 to 1"
    scored = [clip for clip in shaped if clip.score_range]
    beyond = [clip for clip in scored if not (clip.score_range[0] >= 0 and clip.score_range[1] <= 1.01)]
    yield from _on(beyond, "note", "score", outside)
    seen = [clip for clip in shaped if clip.never is not None]
    if len({clip.never.shape for clip in seen}) != 1:
        return
    never = np.all([clip.never for clip in seen], 0)
    if never.any():
        layout = expected.layout or likely_layout(seen[0].shape[2])
        names = [layout.joints[i] if layout and len(layout) == len(never) else str(i) for i in np.flatnonzero(never)]
        yield Finding("note", "never_seen", f"always zero: {', '.join(names)} (centred there, or never seen)")


def _unseen(facts) -> Iterable[Finding]:
    """Joints that a detector did not see lie at pixel (0, 0), a corner of the picture, if nobody says otherwise."""
    flat = [clip for clip in facts if clip.shape[3] == 2 and clip.score_range and units_of(clip) == "px"]
    if any(clip.missing > 0 for clip in flat):
        share = float(np.mean([clip.missing for clip in flat]))
        message = (
            f"{share:.1%} of the joints were not seen and lie at pixel (0, 0); with --preprocessing.normalize image "
        )
        yield Finding("note", "unseen", f"{message}add --preprocessing.min-score 0, else they end in a corner")


def _labels(facts, expected) -> Iterable[Finding]:
    read = [clip for clip in facts if not clip.fault]
    labels = [clip.label for clip in read if clip.label is not None]
    classes = expected.classes
    for label in sorted({label for label in labels if label < 0 or (classes and label >= classes)}):
        limit = f"the {classes} classes are 0 to {classes - 1}" if classes else "classes count from 0"
        yield from _on([clip for clip in read if clip.label == label], "problem", "label", f"label {label}, {limit}")
    if labels and len(labels) < len(read):
        yield from _on([clip for clip in read if clip.label is None], "problem", "no_label", "no label")
    elif not labels and any(clip.segments is None for clip in read):
        yield Finding(
            "note",
            "unlabelled",
            "the clips have no labels: they can be predicted, not trained on; --labels COLUMN, --labels-file FILE (one "
            "row per clip) or --names FORM gives them, or, where a file is a clip, a folder for each class",
        )
    read_of = [clip for clip in read if clip.segments is None]
    if form := _form_that_says_more(read_of):
        apart = "; people are then not on both sides of the split" if "{subject}" in form else ""
        yield Finding("note", "names", f"the names may say more of the clips: prepare --names '{form}'{apart}")
    if labels and not classes and min(labels) == 1:
        yield Finding("note", "label", "labels start at 1, so class 0 has no clips; classes count from 0")


def _form_that_says_more(facts: Sequence[ClipSummary]) -> str | None:
    """The form of the clips' names, where it says labels or subjects that no clip has."""
    lacking = [f"{{{fact}}}" for fact in ("label", "subject") if all(getattr(clip, fact) is None for clip in facts)]
    labels = [clip.label for clip in facts] if "{label}" not in lacking else []
    form = suggested([clip.name for clip in facts], labels) if lacking else None
    return form if form and any(fact in form for fact in lacking) else None


def _is_star(layout: JointLayout) -> bool:
    """Whether all bones meet in one joint, as where a file names joints and no bones: their lengths say no order."""
    return all(layout.centre in bone for bone in layout.bones)


def _units(facts, expected) -> Iterable[Finding]:
    if beyond := [clip for clip in facts if clip.largest > LARGEST]:
        message = f"a coordinate of {beyond[0].largest:.3g}: no recording is that large, and none can be computed with"
        yield Finding("problem", "scale", message, _of(beyond))
    sizes = [clip.size for clip in facts if clip.size > 0]
    if not sizes:
        return
    middle = float(np.median(sizes))
    if middle < SMALLEST:
        yield Finding("problem", "scale", f"bodies are {middle:.3g} large, which is next to nothing in any unit")
        return
    apart = [clip for clip in facts if clip.size > 0 and not middle / FOLD < clip.size < middle * FOLD]
    apart = [clip for clip in apart if clip.largest <= LARGEST]
    if apart and len({units_of(clip) for clip in facts if clip.size > 0}) > 1:
        message = f"other units than most: bodies of {apart[0].size:.4g}, usual are {middle:.4g}"
        yield Finding("problem", "units", message, _of(apart))
    found = Counter(units_of(clip) for clip in facts if clip.size > 0).most_common(1)[0][0]
    wanted = expected.flat_units if found in FLAT_UNITS else expected.units
    if wanted and found != wanted:
        seem = f"the coordinates seem to be in {found}" if found else "the coordinates are in no usual unit"
        message = f"{seem}, expected {wanted}: bodies are {middle:.4g} large"
        yield Finding("problem" if found else "note", "units", message)
    if any(third_is_score(clip) for clip in facts):
        yield Finding("note", "score", "the third channel looks like a score, not like a coordinate")
    bones = [clip.bone for clip in facts if clip.bone > 0]
    if bones and np.median(bones) > LONG_BONES and not (expected.layout and _is_star(expected.layout)):
        message = f"bones are {np.median(bones):.0%} of a body's size: the joints may be in another order"
        yield Finding("note", "joint_order", message)
    yield from _pictures(facts)


def _pictures(facts) -> Iterable[Finding]:
    sized = [clip for clip in facts if clip.image_size and clip.high and units_of(clip) == "px"]
    beyond = [
        clip for clip in sized if any(h > 1.2 * side for h, side in zip(clip.high, clip.image_size, strict=False))
    ]
    if beyond:
        width, height = beyond[0].image_size
        x, y = beyond[0].high[:2]
        swapped = "; are width and height swapped?" if x <= 1.2 * height and y <= 1.2 * width else ""
        message = f"joints far outside of the image: up to ({x:.0f}, {y:.0f}) in {width}x{height}{swapped}"
        yield Finding("note", "image_size", message, _of(beyond))


def upward(facts: Sequence[ClipSummary]) -> str:
    """The axis from feet to head of most clips, such as "y up"; "" where it is not clear."""
    axes = Counter(_upward(clip) for clip in facts if clip.upward)
    return axes.most_common(1)[0][0] if axes else ""


def _upward(clip: ClipSummary) -> str:
    axis = int(np.argmax(np.abs(clip.upward)))
    return f"{'xyz'[axis]} {'up' if clip.upward[axis] > 0 else 'down'}" if axis < 3 else ""


def _directions(facts, expected) -> Iterable[Finding]:
    way = upward(facts)
    directed = [units_of(clip) in FLAT_UNITS for clip in facts if clip.upward]  # a sample may be few of all clips
    flat = sum(directed) * 2 > len(directed)
    expected_ways = ("y down",) if flat else ("y up", "z up")
    if way and way not in expected_ways:
        usual = "y down, as in pictures" if flat else "y or z up"
        yield Finding(
            "note", "upward", f"heads are above feet with {way}; usual is {usual}. Axes swapped or turned round?"
        )


def _subjects(facts, expected) -> Iterable[Finding]:
    for split in _splits(facts):
        parts = defaultdict(set)
        for clip in facts:
            if clip.subject is not None and clip.splits.get(split) not in (None, "none"):
                parts[clip.subject].add(clip.splits[split])
        both = sorted((who for who, there in parts.items() if len(there) > 1), key=str)
        if not both or split in BY_DESIGN:
            continue
        clips = _of(clip for clip in facts if clip.subject in both)
        listed = ", ".join(map(str, both[:5])) + (" ..." if len(both) > 5 else "")
        # A split that was made by subject has at most a few on both sides; another one nearly all of them.
        meant = split == "xsub" or len(both) * 2 <= len(parts)
        message = f"split {split}: {len(both)} of {len(parts)} subjects are in more than one part ({listed})"
        yield Finding("problem" if meant else "note", "shared_subjects", message, clips)


def _splits(facts: Iterable[ClipSummary]) -> list[str]:
    return list(dict.fromkeys(split for clip in facts for split in clip.splits))


def _rates(facts, expected) -> Iterable[Finding]:
    rates = [clip.fps for clip in facts if clip.fps]
    if rates and max(rates) > OTHER_RATE * min(rates):
        message = f"frame rates from {min(rates):g} to {max(rates):g}; `prepare --resample-fps` brings all clips to one"
        yield Finding("note", "frame_rates", message)


def _contents(facts, expected) -> Iterable[Finding]:
    same = defaultdict(list)
    for clip in facts:
        if clip.digest:
            same[clip.digest].append(clip)
    groups = [group for group in same.values() if len(group) > 1]
    across = defaultdict(list)
    for group in groups:
        for split in _splits(group):
            if len({clip.splits.get(split) for clip in group} - {None, "none"}) > 1:
                across[split] += group
    for split, clips in across.items():
        yield Finding("problem", "duplicate_content", f"split {split}: the same recording in several parts", _of(clips))
    across_parts = {id(clip) for clips in across.values() for clip in clips}
    rest = [clip for group in groups for clip in group if id(clip) not in across_parts]
    two_labels = {id(clip) for group in groups if len({str(o.label) for o in group}) > 1 for clip in group}
    yield from _on(rest, "note", "duplicate_content", "the same recording as another clip")
    labelled = "the same recording under several labels"
    yield from _on([clip for clip in rest if id(clip) in two_labels], "note", "two_labels", labelled)


def _repeats(facts, expected) -> Iterable[Finding]:
    """Recordings in several parts that differ by their place, size or frame rate alone."""
    for split in _splits(facts):
        parts = defaultdict(list)
        for clip in facts:
            if clip.course is not None and clip.splits.get(split) not in (None, "", "none"):
                parts[clip.splits[split], clip.course.shape].append(clip)
        found: dict[int, ClipSummary] = {}
        for (part, size), (other, other_size) in combinations(parts, 2):
            if size != other_size:
                continue
            some, others = parts[part, size], parts[other, size]
            for i, j in repeats([clip.course for clip in some], [clip.course for clip in others]):
                if some[i].digest != others[j].digest:  # those are said already
                    found |= {id(some[i]): some[i], id(others[j]): others[j]}
        if found:
            message = f"split {split}: nearly the same recording in several parts, moved, scaled or at another rate"
            yield Finding("problem", "near_duplicate", message, _of(found.values()))


def _parts(facts, expected) -> Iterable[Finding]:
    """Splits that lack a part, or nearly; or no split at all."""
    if len({clip.label for clip in facts if clip.label is not None}) > 1 and not _splits(facts):
        message = "no split: train needs one; prepare makes it with --val-share 0.2"
        yield Finding("note", "no_split", message)
    for split in _splits(facts):
        parts = Counter(clip.splits.get(split) for clip in facts)
        named = sorted((part for part in parts if part not in (None, "", "none")), key=order_of)
        if "train" in named and held_out(named) is None:
            message = f"split {split} has no part val, only {' and '.join(named)}: train needs --no-validate"
            yield Finding("note", "no_part", message)
        if "train" in named and held_out(named) == "test":
            message = (
                f"split {split} has no part val: train and test measure on test, which also chooses the best epoch"
            )
            yield Finding("note", "no_part", message)
        if "train" not in named and {"val", "test"} & {*named}:
            message = f"split {split} has no part train, only {' and '.join(named)}: it can be tested on alone"
            yield Finding("note", "no_part", message)
        labels = Counter(
            clip.label for clip in facts
            if clip.splits.get(split) == "train" and clip.label is not None
        )  # fmt: skip
        if labels and labels.total() < FEW * len(labels):
            count = f"{counted(labels.total(), 'training clip')} for {counted(len(labels), 'class', 'classes')}"
            message = f"split {split}: only {count}"
            yield Finding("note", "few_clips", message)
        elif rare := sorted(label for label, clips in labels.items() if clips == 1):
            message = f"split {split}: a single training clip for {_short(rare, expected)}"
            clips = [clip for clip in facts if clip.splits.get(split) == "train" and clip.label in rare]
            yield Finding("note", "rare_class", message, _of(clips))


def _classes(facts, expected) -> Iterable[Finding]:
    for split in _splits(facts):
        parts = defaultdict(set)
        for clip in facts:
            if clip.label is not None and (part := clip.splits.get(split)):
                parts[part].add(clip.label)
        if not parts.get("train"):
            continue
        for part, labels in parts.items():
            if part not in ("train", "none") and (lost := sorted(labels - parts["train"])):
                message = f"split {split}: {part} has classes that train lacks: {_short(lost, expected)}"
                clips = [clip for clip in facts if clip.splits.get(split) == part and clip.label in lost]
                yield Finding("problem", "class_not_in_train", message, _of(clips))
    there = {clip.label for clip in facts if clip.label is not None}
    if there and expected.classes and (absent := sorted(set(range(expected.classes)) - there)):
        yield Finding(
            "note",
            "absent_classes",
            f"{len(absent)} of {expected.classes} classes have no clip: {_short(absent, expected)}",
        )


def _short(labels: Sequence[int], expected: Expected) -> str:
    return ", ".join(map(expected.class_name, labels[:5])) + (" ..." if len(labels) > 5 else "")
