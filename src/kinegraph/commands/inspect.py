"""`kinegraph inspect PATH`: what a dataset, raw files, a pickle or a checkpoint are, and what is wrong with them."""

import io
import json as jsons
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from kinegraph.commands.inspect_trained import is_run, look_at_result, look_at_trained
from kinegraph.commands.reading import opened_lines
from kinegraph.data.checks import Expected, Finding, findings, problem, upward
from kinegraph.data.clip_summary import ClipSummary, likely_layout, summarize, units_of
from kinegraph.data.dataset_write import FILES, checked_class_names
from kinegraph.data.folders import listed_once, opening
from kinegraph.data.formats import BY_NAME, COMMON, options_of, recognise
from kinegraph.data.formats.padded import read_labels
from kinegraph.data.formats.unknown import not_here
from kinegraph.data.read import recordings
from kinegraph.data.reading.clips.conventions import names_of_classes
from kinegraph.data.reading.clips.published_names import NTU_NAME
from kinegraph.data.reading.clips.recordings import Recordings, Unread, check_readable
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.segments.summary import facts_of_segments, lines_of_segments, summarize_segments
from kinegraph.data.split_names import order_of
from kinegraph.messages import counted, plain_name
from kinegraph.models.weights_path import find_index, find_weights, zoo_names
from kinegraph.skeleton.layout import layout_names, load_layout

SAMPLE = 400  # clips of raw files that are looked at without --all
CLIPS_NAMED = 4
CLASSES_NAMED = 12
FINDINGS_SHOWN = 20

CLEANING = {  # what `prepare` can mend, as shares of the joints or frames
    "gaps": "{:.1%} of the joints are in gaps of up to 10 frames (--fill 10)",
    "jumps": "{:.1%} leave their way for a frame (--jumps 0.5)",
    "swaps": "left and right swap for a while in {:.1%} of the frames (--mend-sides)",
}


def inspect(
    path: Path,
    *,
    format: str | None = None,
    layout: str | None = None,
    units: Literal["m", "cm", "mm", "in", "ft", "px", "image", "normalised"] | None = None,
    image_size: str | None = None,
    class_names: str | None = None,
    labels_file: Path | None = None,
    labels: str | None = None,
    names: str | None = None,
    parts: list[Literal["body", "hands", "face"]] | None = None,
    pose: str | None = None,
    plugins: list[Path] | None = None,
    all: bool = False,
    json: bool = False,
) -> "Inspection":
    """Say what a path holds and what is wrong with it. Exit code 1 where something would break or falsify training.

    Args:
        path: dataset folder; raw file or folder (.skeleton, UI-PRMD, .npz, .npy of 2s-AGCN, OpenPose .json, .csv,
            .tfrecord); annotation or label pickle; run folder, weights (.safetensors, or a name such as ui-prmd-10),
            exported network (.onnx), checkpoint (.pth, .ckpt, .index), result file or table of a test.
        format: name of the format of recordings (see prepare), where their content does not decide it.
        layout: layout of the joints, a name or a .yaml file, where the file does not say it.
        units: of the coordinates, where the file does not say them; see prepare.
        image_size: width x height in pixels, such as 1920x1080, in place of what the file says.
        class_names: text file, one class name per line, or ntu60, ntu120, babel60, babel120: labels must be of these.
        labels_file: CSV with one row per clip, see prepare.
        labels: the column that holds them, see prepare.
        names: what clips' names say, such as "{label}_{subject}_{_}", see prepare.
        parts: openpose, mediapipe: hands and face besides the body, see prepare.
        pose: video: what sees the joints, see prepare.
        plugins: video: Python files with an estimator of your own.
        all: look at every clip of raw files, not at some of them.
        json: print everything as JSON, with the names of all clips.

    Examples:
        kinegraph inspect nturgb+d_skeletons                       raw files, before prepare
        kinegraph inspect data/ntu60                               a dataset, before train
        kinegraph inspect runs/mine                                how far a run has come, and where its weights are
        kinegraph inspect best.safetensors
        kinegraph inspect ntu60_2d.pkl --class-names ntu60 --json > findings.json
    """
    options = {"pose": pose, "layout": layout, "class_names": class_names, "units": units, "image_size": image_size}
    options |= {"labels_file": labels_file, "labels": labels, "names": names, "parts": parts}
    found = inspection(path, format, options | {"sample": None if all else SAMPLE}, quiet=json)
    if json:
        print(found.as_json())
    else:
        _show(found.path, found.facts, found.findings)
    return found


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a path holds. findings: what is wrong with it; ok: nothing would break or falsify training."""

    path: Path
    facts: dict[str, Any]
    findings: Sequence[Finding]

    @property
    def ok(self) -> bool:
        return not any(finding.severity == "problem" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        return int(not self.ok)

    def as_json(self) -> str:
        facts = {key: value for key, value in self.facts.items() if key != "segment_lines"}  # the facts say it
        findings = [asdict(finding) for finding in self.findings]
        return jsons.dumps({"path": str(self.path), "ok": self.ok, "facts": facts, "findings": findings}, indent=1)

    def __str__(self) -> str:
        with io.StringIO() as text, redirect_stdout(text):
            _show(self.path, self.facts, self.findings)
            return text.getvalue().rstrip()

    __repr__ = __str__


def inspection(path: Path, format: str | None, options: Mapping[str, Any], quiet: bool) -> Inspection:
    """Look at a path. options: of its readers. Raises ValueError where nothing can be said of it."""
    if str(path) in zoo_names():
        path = find_weights(path)
    path = (None if format else find_index(path)) or path
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}{not_here(path)}")
    if _is_part(path):
        path = path.parent
    with listed_once():
        check_readable(path)
        trained = None if format else look_at_trained(path)
        return Inspection(path, *(trained or _recordings(path, format, options, quiet)))


# ---- what it is ------------------------------------------------------------------------------------------------------


def _open(path: Path, format: str | None, options: Mapping[str, Any]) -> Recordings:
    """The recordings of a path with their faults among the clips. Raises ValueError where nothing can be read."""
    recognised = recognise(path, format)
    known = {key: value for key, value in options.items() if key in options_of(recognised[0]) or key in COMMON}
    with opening(opened_lines(path)):
        return recordings(path, format, on_fault="keep", recognised=recognised, **known)


def _labels(path: Path) -> Recordings | None:
    """The names and labels in a label pickle of padded arrays; None for another file."""
    try:
        names, labels, _ = read_labels(path)
    except ValueError:
        return None
    subject = [{"subject": int(found[3])} if (found := NTU_NAME.match(name)) else {} for name in names]
    clips = (Unread(*facts) for facts in zip(names, labels, subject, strict=True))
    line = f"coordinates: their array is not beside {path.name}, as train_data.npy is beside train_label.pkl"
    found = Recordings(clips, len(names), load_layout("ntu25"), (), "normalised", "", format="labels")
    return replace(found, skipped=lambda: [line])


def _is_part(path: Path) -> bool:
    """Whether a path is a part of a dataset or a run, which is described as a whole."""
    if path.name in FILES:
        return (path.parent / "dataset.json").is_file()
    return path.name in ("config.yaml", "log.jsonl", "checkpoints") and is_run(path.parent)


def _ours_in(path: Path) -> list[Path]:
    """The datasets and runs that lie in a folder."""
    readable = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and os.access(folder, os.X_OK)]
    return [folder for folder in readable if (folder / "dataset.json").is_file() or is_run(folder)]


# ---- what is in it ---------------------------------------------------------------------------------------------------


def _recordings(path: Path, format: str | None, options: Mapping[str, Any], quiet: bool) -> tuple[dict, list[Finding]]:
    """The facts of recordings and what is wrong with them."""
    class_names = options["class_names"]
    try:
        found = _open(path, format, options)
    except FormatError as error:
        if (others := look_at_result(path) or _look_at_labels(path, class_names, quiet)) is not None:
            return others
        if error.kind == "unknown":
            if path.is_dir() and (ours := _ours_in(path)):
                raise ValueError(f"{path} holds datasets or runs; give one of them, such as {ours[0]}") from None
            raise
        return {"what": "recordings"}, [problem(error.kind, error)]
    except (ValueError, OSError) as error:
        return {"what": "recordings"}, [problem("unreadable", error)]
    names = names_of_classes(class_names, (), ()) if class_names is not None else found.class_names
    return _judge(found, names, quiet)


def _look_at_labels(path: Path, class_names: str | None, quiet: bool) -> tuple[dict, list[Finding]] | None:
    if path.suffix not in (".pkl", ".pickle") or (labels := _labels(path)) is None:
        return None
    return _judge(labels, names_of_classes(class_names, (), ()) if class_names else (), quiet)


def _judge(found: Recordings, class_names: tuple[str, ...], quiet: bool) -> tuple[dict, list[Finding]]:
    units, flat = ("m", "px") if found.units in ("m", "px") else ("m", None)
    if found.units == "normalised" and found.layout.name not in layout_names():
        units = None  # joints of one's own, whose size nobody knows
    classes = len(class_names) or None
    expected = Expected(found.layout, classes, units, flat, class_names)
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    items = track(found.clips, "reading", found.count, console=console, transient=True, disable=hidden)
    facts, judged = [], []
    try:
        facts.extend(summarize(item, found.layout, found.as_arrays) for item in items)
    except (ValueError, OSError) as error:
        judged.append(problem(getattr(error, "kind", "unreadable"), error))
    looked = sum(clip.shape is not None or clip.fault is not None for clip in facts)
    complete = not judged and (looked == len(facts) or found.format == "labels")
    judged += findings(facts, expected, complete=complete)
    if not facts and not judged:
        judged.append(problem("empty", "there are no clips in it"))
    judged += [Finding("note", "skipped", line) for line in found.skipped()]
    judged += [Finding("note", "changed", line) for line in found.changed()]
    try:
        checked_class_names(found.class_names)
    except ValueError as error:
        judged.append(problem("class_names", error))
    said = {key: value for key in ("source", "licence") if (value := getattr(found, key))}
    title = BY_NAME[found.format].TITLE if found.format in BY_NAME else "labels of padded arrays"
    what = {"what": f"{title}, SYNTHETIC" if found.source.startswith("synthetic") else title, "format": found.reason}
    said |= {"assumed": list(found.assumed)} if found.assumed else {}
    about = what | said | (_facts(found, expected, facts, looked) if facts else {})
    return about, sorted(judged, key=lambda finding: finding.severity != "problem")


def _facts(found: Recordings, expected: Expected, facts: Sequence[ClipSummary], looked: int) -> dict:
    read = [clip for clip in facts if not clip.fault]
    about: dict = {"clips": max(len(facts), found.count), "looked_at": looked}
    shaped = [clip for clip in facts if clip.shape]
    if shaped:
        _, _, joints, channels = Counter(clip.shape for clip in shaped).most_common(1)[0][0]
        stated, guess = expected.layout, likely_layout(joints)
        about |= {"joints": joints, "channels": channels, "layout": stated.name if stated else None}
        about["layout_guess"] = guess.name if guess else None
        about["people"] = dict(sorted(Counter(clip.present for clip in shaped).items()))
        low, middle, high = np.percentile([clip.shape[1] for clip in shaped], (0, 50, 100)).tolist()
        about["frames"] = {"shortest": low, "median": middle, "longest": high}
        about["empty_frames"] = round(float(np.mean([clip.nobody for clip in shaped])), 4)
        about["missing_joints"] = round(float(np.mean([clip.missing for clip in shaped])), 4)
        about["cleaning"] = {
            need: round(float(np.mean([getattr(clip.needs, need) for clip in shaped])), 4) for need in CLEANING
        }
    if seen := [clip for clip in shaped if clip.low and len(clip.low) == channels]:
        lows, highs = (np.array([getattr(clip, side) for clip in seen]) for side in ("low", "high"))
        about["range"] = [[*map(float, pair)] for pair in zip(lows.min(0).round(4), highs.max(0).round(4), strict=True)]
        about["body_size"] = round(float(np.median([clip.size for clip in seen])), 4)
        about["units_guess"] = Counter(units_of(clip) for clip in seen).most_common(1)[0][0]
        about["upward"] = upward(seen) or None
    if long := [clip for clip in shaped if clip.segments is not None]:
        summary = summarize_segments(
            ((clip.segments, clip.shape[1], clip.fps) for clip in long), len(found.class_names)
        )
        about["segments"] = facts_of_segments(summary, found.class_names, found.none)
        about["segment_lines"] = lines_of_segments(summary, found.class_names, found.none)
    labels = Counter(clip.label for clip in read if clip.label is not None)
    about["classes"] = {"named": expected.classes, "with_clips": len(labels), "clips": dict(sorted(labels.items()))}
    about["classes"]["names"] = {label: expected.class_name(label) for label in sorted(labels)}
    about["subjects"] = len({clip.subject for clip in facts} - {None})
    splits = {split: Counter() for clip in facts for split in clip.splits}
    for clip in facts:
        for split, part in clip.splits.items():
            splits[split][part] += 1
    ordered = {split: {part: parts[part] for part in sorted(parts, key=order_of)} for split, parts in splits.items()}
    return about | {"splits": ordered}


# ---- shown -----------------------------------------------------------------------------------------------------------


def _show(path: Path, about: dict, found: Sequence[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"{path}: {about['what']}", "bold"))
    table = Table.grid(padding=(0, 2))
    for row in _rows(about):
        table.add_row(*(Text(plain_name(cell)) for cell in row))
    Console(highlight=False).print(table)
    styles = {"problem": "bold red", "note": "yellow"}
    for finding in found[:FINDINGS_SHOWN]:
        console.print(
            Text.assemble(
                (f"{finding.severity}: ", styles[finding.severity]), plain_name(finding.message), _named(finding)
            )
        )
    if len(found) > FINDINGS_SHOWN:
        console.print(f"... and {len(found) - FINDINGS_SHOWN:,} more; --json lists all")
    problems = sum(finding.severity == "problem" for finding in found)
    console.print(f"{problems} problem{'s' * (problems != 1)}" if problems else "no problems found")


def _named(finding: Finding) -> str:
    if not finding.clips:
        return ""
    more = " ..." if len(finding.clips) > CLIPS_NAMED else ""
    count = f"{len(finding.clips):,} clips: " if len(finding.clips) > 1 else ""
    return f"  [{count}{', '.join(finding.clips[:CLIPS_NAMED])}{more}]"


def _rows(about: dict) -> Iterable[tuple[str, str]]:
    """The facts as lines of a table."""
    about = {key: value for key, value in about.items() if value not in (None, {}, [], "") and key != "what"}
    if "looked_at" in about:
        looked = about.pop("looked_at")
        some = f", {looked:,} of them looked at (--all looks at every one)" if looked < about["clips"] else ""
        about["clips"] = f"{about['clips']:,}{some}"
        yield from _clip_rows(about)
        return
    if names := about.pop("class_names", None):
        about["class names"] = f"{', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
    for key, value in about.items():
        yield key, f"{value:,}" if isinstance(value, int) else _flat(value)


def _flat(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    cells = {key: cell for key, cell in value.items() if key != "config" and "\n" not in str(cell)}
    return ", ".join(f"{key} {cell}" for key, cell in cells.items())


def _clip_rows(about: dict) -> Iterable[tuple[str, str]]:
    if "joints" in about:
        guess = about.pop("layout_guess", "unknown")
        stated = about.pop("layout", None)
        layout = stated or f"layout not stated, looks like {guess}"
        about["joints"] = f"{about['joints']} ({layout}), {about.pop('channels')} channels"
    if "range" in about:
        ranges = ", ".join(
            f"{axis} {low:g} to {high:g}" for axis, (low, high) in zip("xyz", about.pop("range"), strict=False)
        )
        units, size = about.pop("units_guess", "unknown units"), about.pop("body_size")
        way = f", {about.pop('upward')}" if "upward" in about else ""
        about["coordinates"] = f"{ranges}; bodies {size:g} large: {units}{way}"
    if "people" in about:
        about["people"] = ", ".join(f"{count}: {counted(clips, 'clip')}" for count, clips in about["people"].items())
        about["frames"] = ", ".join(f"{word} {number:g}" for word, number in about["frames"].items())
        about["missing joints"] = (
            f"{about.pop('missing_joints'):.1%}, and {about.pop('empty_frames'):.1%} of the frames empty"
        )
    if lines := about.pop("segment_lines", []):
        about |= dict(lines)
        about.pop("classes")
    else:
        about["classes"] = _classes(**about.pop("classes"))
    if (shares := about.pop("cleaning", None)) and any(shares.values()):
        about["cleaning"] = "; ".join(text.format(shares[need]) for need, text in CLEANING.items() if shares[need])
    for split, parts in about.pop("splits", {}).items():
        about[f"split {split}"] = ", ".join(f"{part} {clips:,}" for part, clips in parts.items())
    for key, value in about.items():
        yield key, "; ".join(value) if isinstance(value, list) else str(value)


def _classes(named: int | None, with_clips: int, clips: dict[int, int], names: dict[int, str]) -> str:
    """How many there are, and their clips: of each class where they are few, else the fewest and the most."""
    if not clips:
        return "the clips have no labels"
    about = f"{with_clips} of {named}" if named and named != with_clips else f"{with_clips}"
    rare, common = min(clips, key=clips.__getitem__), max(clips, key=clips.__getitem__)
    alike = clips[rare] == clips[common]
    about += f", {counted(clips[rare], 'clip')} each" if alike else ""
    if with_clips <= CLASSES_NAMED:
        return f"{about}: {'; '.join(names[i] if alike else f'{names[i]} {clips[i]:,}' for i in clips)}"
    return (
        about
        if alike
        else f"{about}; from {counted(clips[rare], 'clip')} ({names[rare]}) to {clips[common]:,} ({names[common]})"
    )
