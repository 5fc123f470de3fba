"""`kinegraph inspect PATH`: what a dataset, raw files, a pickle or a checkpoint are, and what is wrong with them."""

import json as jsons
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from inspect import signature
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from kinegraph.commands.inspect_trained import is_run, look_at_result, look_at_trained
from kinegraph.data.dataset_write import FILES, checked_class_names
from kinegraph.data.formats import ui_prmd
from kinegraph.data.formats.annotations import PART_FILE
from kinegraph.data.formats.guesses import names_of_classes
from kinegraph.data.formats.recordings import Recordings, check_readable
from kinegraph.data.formats.split_names import order_of
from kinegraph.data.inspection import Finding, findings, upward
from kinegraph.data.inspection_arrays import look_at_npz, look_at_padded, look_at_pickles
from kinegraph.data.inspection_clip import ClipFacts, examine, likely_layout, units_of
from kinegraph.data.inspection_read import (
    Look,
    look_at_dataset,
    look_at_ntu,
    look_at_tfrecords,
    look_at_ui_prmd,
    look_through,
    problem,
)
from kinegraph.data.inspection_table import look_at_csv, look_at_json
from kinegraph.models.zoo import find_weights, zoo_names
from kinegraph.safe_io import read_json
from kinegraph.skeleton.layout import load_layout

SAMPLE = 400  # clips of raw files that are looked at without --all
CLIPS_NAMED = 4
CLASSES_NAMED = 12
FINDINGS_SHOWN = 20


def inspect(
    path: Path,
    *,
    layout: str | None = None,
    class_names: str | None = None,
    all: bool = False,
    json: bool = False,
) -> int:
    """Say what a path holds and what is wrong with it. Exit code 1 where something would break or falsify training.

    Args:
        path: dataset folder; raw file or folder (.skeleton, UI-PRMD, .npz, .npy of 2s-AGCN, OpenPose .json, .csv,
            .tfrecord); annotation or label pickle; run folder, weights (.safetensors, or a name such as ui-prmd-10),
            checkpoint (.pth, .ckpt), result file or table of a test.
        layout: layout of the joints, a name or a .yaml file, where the file does not tell.
        class_names: text file with a class name a line, or ntu60, ntu120, babel60, babel120: labels must be of these.
        all: look at every clip of raw files, not at some of them.
        json: print everything as JSON, with the names of all clips.

    Examples:
        kinegraph inspect nturgb+d_skeletons                       raw files, before prepare
        kinegraph inspect data/ntu60                               a dataset, before train
        kinegraph inspect runs/mine                                how far a run has come, and where its weights are
        kinegraph inspect best.safetensors
        kinegraph inspect ntu60_2d.pkl --class-names ntu60 --json > findings.json
    """
    if str(path) in zoo_names():
        path = find_weights(path)
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}")
    if _is_part(path):
        path = path.parent
    check_readable(path)
    trained = look_at_trained(path)
    look = None if trained else recognise(path, None if all else SAMPLE, layout)
    if look is None and (trained := trained or look_at_result(path)) is None:
        raise ValueError(f"{path} is not recognised: {_contents(path)}. kinegraph inspect --help lists what is")
    if trained:
        told, found = trained
    else:
        look = _with_options(look, layout, class_names)
        told, found = _judge(look, quiet=json)
        if not any(finding.severity == "problem" for finding in found) and look.source and look.looked == look.total:
            unstated = None if look.expected.layout else told.get("layout_guess")
            found = [*_as_prepare_reads(look, path, layout or unstated), *found]
    broken = any(finding.severity == "problem" for finding in found)
    if json:
        findings_told = [asdict(finding) for finding in found]
        print(jsons.dumps({"path": str(path), "ok": not broken, "facts": told, "findings": findings_told}, indent=1))
    else:
        _show(path, told, found)
    return int(broken)


def _with_options(look: Look, layout: str | None, class_names: str | None) -> Look:
    expected = look.expected
    if layout is not None:
        expected = replace(expected, layout=load_layout(layout))
    names = look.class_names
    if class_names is not None:
        names = names_of_classes(class_names, (), ())
        expected = replace(expected, classes=len(names))
    return replace(look, expected=replace(expected, class_names=names), class_names=names)


# ---- what it is ------------------------------------------------------------------------------------------------------


def recognise(path: Path, most: int | None, layout: str | None = None) -> Look | None:
    """What a file or folder is, by its names first and its content second; None where it is nothing known."""
    return _recognise_folder(path, most, layout) if path.is_dir() else _recognise_file(path, most, layout)


def _recognise_folder(path: Path, most: int | None, layout: str | None) -> Look | None:
    def has(pattern: str) -> bool:
        return next(path.rglob(pattern), None) is not None

    if (path / "dataset.json").is_file() or (path / "keypoint.npy").is_file():
        return look_at_dataset(path)
    if has("*.skeleton"):
        return look_at_ntu(path, most)
    if any(ui_prmd.FILE_NAME.fullmatch(file.name) for file in path.rglob("*_s*_e*_*.txt")):
        return look_at_ui_prmd(path, most)
    if has("*.tfrecord"):
        return look_at_tfrecords(path, most)
    if any(path.glob("*.npy")):
        return look_at_padded(path, most)
    if pickles := sorted(file for file in path.glob("*.pkl") if PART_FILE.fullmatch(file.name)):
        return look_at_pickles(pickles)
    if has("*.json") and not _ours_in(path):
        return _strict("openpose", path, most, layout)
    return None


def _recognise_file(path: Path, most: int | None, layout: str | None) -> Look | None:
    match path.suffix.lower():
        case ".skeleton":
            return look_at_ntu(path, most)
        case ".txt" if ui_prmd.FILE_NAME.fullmatch(path.name):
            return look_at_ui_prmd(path, most)
        case ".npz":
            return look_at_npz(path)
        case ".npy":
            return look_at_padded(path, most)
        case ".tfrecord":
            return look_at_tfrecords(path, most)
        case ".pkl" | ".pickle":
            return look_at_pickles([path])
        case ".csv" | ".tsv":
            return look_at_csv(path, layout)
        case ".json":
            if found := look_at_json(path, layout):
                return found
            if path.stem.endswith("_keypoints"):
                return _strict("openpose", path, most, layout)
            return _strict("table", path, most, layout) if _has_clips(path) else None
    return None


def _has_clips(path: Path) -> bool:
    """Whether a JSON file is a table's other form, or is not readable, which is told by the reader."""
    try:
        found = read_json(path)
    except (ValueError, OSError):
        return True
    return isinstance(found, dict) and "clips" in found


def _strict(source: str, path: Path, most: int | None, layout: str | None) -> Look:
    return look_through(f"recordings for `prepare {source}`", lambda: _source(source, path, layout, lenient=True), most)


def _source(source: str, path: Path, layout: str | None, lenient: bool = False) -> Recordings:
    """The recordings as `kinegraph prepare` reads them, or with --skip-broken where it can."""
    read = import_module(f"kinegraph.data.formats.{source}").recordings
    options = {"layout": layout, "skip_broken": lenient or None}
    options = {name: value for name, value in options.items() if value and name in signature(read).parameters}
    return read(path, **options)


def _as_prepare_reads(look: Look, path: Path, layout: str | None) -> Iterable[Finding]:
    """What `kinegraph prepare` would stop at, for a file in which nothing else was found."""
    try:
        found = _source(look.source, path, layout)
        checked_class_names(found.class_names)
        for _ in found.clips:
            pass
    except (ValueError, OSError) as error:
        yield problem("refused", f"prepare stops: {error}")


def _is_part(path: Path) -> bool:
    """Whether a path is told about with its folder, a dataset or a run, only."""
    if path.name in FILES:
        return (path.parent / "dataset.json").is_file()
    return path.name in ("config.yaml", "log.jsonl", "checkpoints") and is_run(path.parent)


def _ours_in(path: Path) -> list[Path]:
    """The datasets and runs that lie in a folder."""
    readable = [it for it in sorted(path.iterdir()) if it.is_dir() and os.access(it, os.X_OK)]
    return [it for it in readable if (it / "dataset.json").is_file() or is_run(it)]


def _contents(path: Path) -> str:
    if path.is_file():
        return f"a file of {path.stat().st_size:,} bytes"
    if ours := _ours_in(path):
        return f"it holds datasets or runs; give one of them, such as {ours[0]}"
    names = sorted(entry.name for entry in path.iterdir())
    return f"it holds {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if names else "it is empty"


# ---- what is in it ---------------------------------------------------------------------------------------------------


def _judge(look: Look, quiet: bool) -> tuple[dict, list[Finding]]:
    console = Console(stderr=True)
    clips = track(
        look.clips, "looking", look.total, console=console, transient=True, disable=quiet or not console.is_terminal
    )
    facts = [examine(clip, look.expected.layout) for clip in clips]
    judged = findings(facts, look.expected, complete=look.looked == look.total)
    if not facts and not look.findings and "clips" not in look.told:
        judged.append(problem("empty", "there are no clips in it"))
    if any(finding.kind == "joints" for finding in look.findings):  # said with their names
        judged = [finding for finding in judged if finding.kind != "joints"]
    found = sorted([*look.findings, *judged], key=lambda finding: finding.severity != "problem")
    if any(finding.kind != "refused" and finding.severity == "problem" for finding in found) and facts:
        found = [finding for finding in found if finding.kind != "refused"]  # said again, by the strict reader
    return {"what": look.what} | look.told | (_facts(look, facts) if facts else {}), found


def _facts(look: Look, facts: Sequence[ClipFacts]) -> dict:
    told: dict = {"clips": look.total, "looked_at": look.looked}
    shaped = [one for one in facts if one.shape]
    if shaped:
        _, _, joints, channels = Counter(one.shape for one in shaped).most_common(1)[0][0]
        stated, guess = look.expected.layout, likely_layout(joints, channels)
        told |= {"joints": joints, "channels": channels, "layout": stated.name if stated else None}
        told["layout_guess"] = guess.name if guess else None
        told["people"] = dict(sorted(Counter(one.present for one in shaped).items()))
        low, middle, high = np.percentile([one.shape[1] for one in shaped], (0, 50, 100)).tolist()
        told["frames"] = {"shortest": low, "median": middle, "longest": high}
        told["missing_joints"] = round(float(np.mean([one.missing for one in shaped])), 4)
    if seen := [one for one in shaped if one.low and len(one.low) == channels]:
        lows, highs = (np.array([getattr(one, side) for one in seen]) for side in ("low", "high"))
        told["range"] = [[*map(float, pair)] for pair in zip(lows.min(0).round(4), highs.max(0).round(4), strict=True)]
        told["body_size"] = round(float(np.median([one.size for one in seen])), 4)
        told["units_guess"] = Counter(units_of(one) for one in seen).most_common(1)[0][0]
        told["upward"] = upward(seen) or None
    labels = Counter(int(one.clip.label) for one in facts if isinstance(one.clip.label, int | np.integer))
    told["classes"] = {"named": look.expected.classes, "with_clips": len(labels), "clips": dict(sorted(labels.items()))}
    told["classes"]["names"] = {label: look.expected.class_name(label) for label in sorted(labels)}
    told["subjects"] = len({one.clip.subject for one in facts} - {None})
    splits = {split: Counter() for one in facts for split in one.clip.splits}
    for one in facts:
        for split, part in one.clip.splits.items():
            splits[split][part] += 1
    ordered = {split: {part: parts[part] for part in sorted(parts, key=order_of)} for split, parts in splits.items()}
    return told | {"splits": ordered}


# ---- shown -----------------------------------------------------------------------------------------------------------


def _show(path: Path, told: dict, found: Sequence[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"{path}: {told['what']}", "bold"))
    table = Table.grid(padding=(0, 2))
    for row in _rows(told):
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
    styles = {"problem": "bold red", "note": "yellow"}
    for finding in found[:FINDINGS_SHOWN]:
        console.print(
            Text.assemble((f"{finding.severity}: ", styles[finding.severity]), finding.message, _named(finding))
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


def _rows(told: dict) -> Iterable[tuple[str, str]]:
    """The facts as lines of a table."""
    told = {key: value for key, value in told.items() if value not in (None, {}, [], "") and key != "what"}
    if "looked_at" in told:
        looked = told.pop("looked_at")
        some = f", {looked:,} of them looked at (--all looks at every one)" if looked < told["clips"] else ""
        told["clips"] = f"{told['clips']:,}{some}"
        yield from _clip_rows(told)
        return
    if names := told.pop("class_names", None):
        told["class names"] = f"{', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
    for key, value in told.items():
        yield key, f"{value:,}" if isinstance(value, int) else _flat(value)


def _flat(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    cells = {key: cell for key, cell in value.items() if key != "config" and "\n" not in str(cell)}
    return ", ".join(f"{key} {cell}" for key, cell in cells.items())


def _clip_rows(told: dict) -> Iterable[tuple[str, str]]:
    if "joints" in told:
        guess = told.pop("layout_guess", "unknown")
        stated = told.pop("layout", None)
        layout = stated or f"layout not stated, looks like {guess}"
        told["joints"] = f"{told['joints']} ({layout}), {told.pop('channels')} channels"
    if "range" in told:
        ranges = ", ".join(
            f"{axis} {low:g} to {high:g}" for axis, (low, high) in zip("xyz", told.pop("range"), strict=False)
        )
        units, size = told.pop("units_guess", "unknown units"), told.pop("body_size")
        way = f", {told.pop('upward')}" if "upward" in told else ""
        told["coordinates"] = f"{ranges}; bodies {size:g} large: {units}{way}"
    if "people" in told:
        told["people"] = ", ".join(f"{count}: {clips:,} clips" for count, clips in told["people"].items())
        told["frames"] = ", ".join(f"{word} {number:g}" for word, number in told["frames"].items())
        told["missing joints"] = f"{told.pop('missing_joints'):.1%}"
    told["classes"] = _classes(**told.pop("classes"))
    for split, parts in told.pop("splits", {}).items():
        told[f"split {split}"] = ", ".join(f"{part} {clips:,}" for part, clips in parts.items())
    for key, value in told.items():
        yield key, str(value)


def _classes(named: int | None, with_clips: int, clips: dict[int, int], names: dict[int, str]) -> str:
    """How many there are, and their clips: of each class where they are few, else the fewest and the most."""
    if not clips:
        return "the clips have no labels"
    told = f"{with_clips} of {named}" if named and named != with_clips else f"{with_clips}"
    rare, common = min(clips, key=clips.__getitem__), max(clips, key=clips.__getitem__)
    alike = clips[rare] == clips[common]
    told += f", {clips[rare]:,} clips each" * alike
    if with_clips <= CLASSES_NAMED:
        return f"{told}: {'; '.join(names[i] + f' {clips[i]:,}' * (not alike) for i in clips)}"
    return (
        told if alike else f"{told}; from {clips[rare]:,} clips ({names[rare]}) to {clips[common]:,} ({names[common]})"
    )
