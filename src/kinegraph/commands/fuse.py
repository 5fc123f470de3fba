"""kinegraph fuse: result files of several networks on the same clips -> what they say together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kinegraph.data.dataset import SkeletonDataset, open_dataset
from kinegraph.data.folds import folds
from kinegraph.evaluation.evaluation import evaluation_of
from kinegraph.evaluation.fusion import (
    check_weights,
    cross_fit,
    fusion_named,
    log_probability,
    published_weights,
    search_weights,
)
from kinegraph.evaluation.fusion import fuse as fuse_streams
from kinegraph.evaluation.metrics import evaluate, figures_to_show, remarks, softmax
from kinegraph.evaluation.results import Result, checked_result_path, in_order, read_result, result_file
from kinegraph.messages import counted, plain_name
from kinegraph.report.html import About
from kinegraph.report.write import write_report

PIPE_WIDTH = 200  # columns of a table that is not read on a terminal


@dataclass(frozen=True, eq=False)
class Clips:
    """One part of a dataset: what the results have to fit."""

    folder: SkeletonDataset
    split: str
    part: str
    indices: Int[np.ndarray, "N"]

    @property
    def labels(self) -> Int[np.ndarray, "N"]:
        return self.folder.label[self.indices]

    @property
    def names(self) -> list[str]:
        return [self.folder.names[i] for i in self.indices]

    def __str__(self) -> str:
        return f"part '{self.part}' of split '{self.split}' of {self.folder.path}"


@dataclass(frozen=True, eq=False)
class Fusion:
    """The fused probabilities.

    description: the weights, and where they are from. weights: None where they differ between clips.
    """

    probability: Float[np.ndarray, "N classes"]
    description: str
    weights: tuple[float, ...] | None = None


def fuse(
    results: list[Path],
    *,
    data: Path,
    weights: list[float | str] | None = None,
    split: str | None = None,
    part: str | None = None,
    out: Path | None = None,
    search: bool = False,
    search_part: str | None = None,
    search_results: list[Path] | None = None,
) -> None:
    """Add up the probabilities that several networks give the same clips.

    Args:
        results: result files or folders of `kinegraph test --out`; result files of MMAction2 (0.x, or 1.x dumps) or
            PYSKL, clips in dataset order; of yysijie/st-gcn, 2s-AGCN, MS-G3D, CTR-GCN or those that follow it
            (epoch*_test_score.pkl), whose clips are put in order by name; or .npy of shape (clips, classes).
        data: dataset folder with the clips and their labels.
        weights: one a result file; by default 1 1 for two, 2 2 1 1 for four (joint, bone, joint motion, bone motion).
            Or as a project publishes them: pyskl-2s, pyskl-4s, mmaction2-2s, mmaction2-4s, protogcn-2s, protogcn-4s,
            protogcn-6s; 2s-agcn, ms-g3d, ctrgcn-2s, ctrgcn-4s, hyperformer-4s, blockgcn-4s and hd-gcn-6s, which add
            logits.
        split: column of the dataset; needed if there are several.
        part: part of the split that the results are of, by default val, or test where there is no val.
        out: where to write the fused result file (.pkl); tables, pictures and report.html go beside it.
        search: find the weights; by default each fifth of the clips (of the subjects, where they are known) gets the
            weights found on the rest, so that no clip is measured with weights it helped to find.
        search_part: find them on this other part of the split instead.
        search_results: result files of the same networks on search_part, in the same order.

    Examples:
        kinegraph fuse joint/result.pkl bone/result.pkl --data data/ntu60 --split xsub
        kinegraph fuse joint/result.pkl bone/result.pkl --data data/mine --weights 3 2 --out fused/result.pkl
        kinegraph fuse j.pkl b.pkl jm.pkl bm.pkl --data data/ntu60 --split xsub --weights ctrgcn-4s
        kinegraph fuse joint/result.pkl bone/result.pkl --data data/mine --search
    """
    _check_options(results, weights, search, search_part, search_results)
    results = list(map(result_file, results))
    out = _checked_out(out, results) if out else None
    folder = open_dataset(data)
    clips = clips_of(folder, split, part)
    streams = [read_fitting(path, clips) for path in results]
    if out and (owner := _report_owner(out, streams)):
        raise ValueError(f"{out} would replace the report of {owner} in the same folder: choose another folder")
    if search_part == clips.part:
        raise ValueError(
            f"--search-part is '{search_part}', the part that is reported: weights found on it would flatter it; "
            "--search alone finds them by cross-fitting"
        )
    if search_part:
        others = clips_of(folder, clips.split, search_part)
        fusion = _searched(streams, [read_fitting(path, others) for path in search_results], others)
    elif search:
        fusion = _cross_fitted(streams, clips)
    else:
        fusion = _weighted(streams, weights)
    show(streams, fusion, clips)
    if out:
        print(f"report: {_write(out, streams, fusion, clips)}")


def clips_of(folder: SkeletonDataset, split: str | None, part: str | None) -> Clips:
    """The clips of a part; split None: of the only split, part None: of val, or test where there is no val.

    Raises ValueError if there is a choice or a missing label.
    """
    if split is None:
        if len(folder.splits) != 1:
            there = f"the splits {', '.join(folder.splits)}" if folder.splits else "no splits"
            raise ValueError(f"{folder.path} has {there}: say with --split which one the results are of")
        (split,) = folder.splits
    part = part or folder.held_out(split)
    clips = Clips(folder, split, part, folder.indices(split, part))
    if (unlabelled := clips.labels < 0).any():
        raise ValueError(f"clip '{clips.names[unlabelled.argmax()]}' has no label to compare with")
    return clips


def read_fitting(path: Path, clips: Clips) -> Result:
    """Read a result of these clips. Raises ValueError where clips, classes, names or labels are not the dataset's."""
    result = in_order(read_result(path), [plain_name(name) for name in clips.names])
    if result.counted:
        print(f"assumed: {path} counts its clips; their order is that of {clips}")
    count, classes = result.scores.shape
    if count != len(clips.indices):
        splits = clips.folder.splits
        fits = [
            f"{part} of {split}" for split in splits for part in clips.folder.parts(split)
            if len(clips.folder.indices(split, part)) == count
        ]  # fmt: skip
        hint = f"; {fits[0]} has so many" if fits else ""
        raise ValueError(f"{path} has {count} clips, {clips} has {len(clips.indices)}{hint}")
    if classes != len(clips.folder.class_names):
        raise ValueError(f"{path} has {classes} classes, {clips.folder.path} has {len(clips.folder.class_names)}")
    for index, (given, name) in enumerate(zip(result.names or [], clips.names, strict=False)):
        if given not in (plain_name(name), f"'{plain_name(name)}"):  # tables quote what a spreadsheet would run
            raise ValueError(
                f"{path}: clip {index} is '{given}', in {clips} it is '{name}': other clips or another order"
            )
    if result.labels is not None and (wrong := result.labels != clips.labels).any():
        index = int(wrong.argmax())
        raise ValueError(
            f"{path}: clip {index} has label {result.labels[index]}, '{clips.names[index]}' in {clips} has "
            f"{clips.labels[index]}: other clips or another order"
        )
    return result


def _check_options(results, weights, search, search_part, search_results) -> None:
    if len(results) < 2:
        raise ValueError(f"{len(results)} result file, expected two or more to fuse")
    if weights is not None and (name := _named(weights)):
        fusion_named(name, len(results))
    elif weights is not None:
        check_weights(_numbers(weights), len(results))
    if weights is not None and (search or search_part):
        raise ValueError("--weights and --search: weights are either given or searched")
    if bool(search_part) != bool(search_results):
        raise ValueError(
            "--search-part and --search-results go together: a part, and the same networks' result files on it"
        )
    if search_results and len(search_results) != len(results):
        raise ValueError(f"{len(search_results)} --search-results for {len(results)} result files, expected as many")


def _checked_out(out: Path, results: list[Path]) -> Path:
    out = checked_result_path(out)
    if any(out.resolve() == path.resolve() for path in results):
        raise ValueError(f"--out {out} is one of the result files to fuse")
    return out


def _report_owner(out: Path, streams: list[Result]) -> Path | None:
    """The result whose own report lies where the fused one would go."""
    reported = [stream.path for stream in streams if stream.reported]
    return next((path for path in reported if path.parent.resolve() == out.parent.resolve()), None)


def _named(weights: list[float | str]) -> str | None:
    """The name of a published fusion, in place of numbers."""
    return weights[0] if len(weights) == 1 and isinstance(weights[0], str) else None


def _numbers(weights: list[float | str]) -> list[float]:
    if words := [weight for weight in weights if isinstance(weight, str)]:
        raise ValueError(f"--weights: expected a number, found '{words[0]}'; or one name alone, such as pyskl-4s")
    return [float(weight) for weight in weights]


def _published(streams: list[Result], name: str) -> Fusion:
    """The streams fused as a project does it."""
    found = fusion_named(name, len(streams))
    order = f"weights {_ratio(found.weights)} of {name}, for {', '.join(found.streams)} in this order"
    if found.adds == "probabilities":
        return Fusion(fuse_streams([stream.probability for stream in streams], found.weights), order, found.weights)
    if others := [stream.path for stream in streams if stream.kind != "logits"]:
        raise ValueError(f"--weights {name} adds logits; {others[0]} has probabilities")
    scores = [stream.scores.astype(np.float64) for stream in streams]
    if found.adds == "lengths of 1":
        scores = [score / np.linalg.norm(score, axis=1, keepdims=True).clip(1e-12) for score in scores]
        order += "; each clip's logits are divided by their length"
    total = sum(weight * score for weight, score in zip(found.weights, scores, strict=True))
    return Fusion(softmax(total), f"{order}; logits are added", found.weights)


def _weighted(streams: list[Result], given: list[float | str] | None) -> Fusion:
    if given and (name := _named(given)):
        return _published(streams, name)
    weights = _numbers(given) if given else None
    used = tuple(weights or published_weights(len(streams)))
    description = f"weights {_ratio(used)}"
    if not weights:
        order = ", meant for joint, bone, joint motion, bone motion in this order" if len(streams) == 4 else ""
        description += f" (the default{order})"
    return Fusion(fuse_streams([stream.probability for stream in streams], used), description, used)


def _searched(streams: list[Result], others: list[Result], clips: Clips) -> Fusion:
    best = search_weights([other.probability for other in others], clips.labels)
    description = f"weights {_ratio(best)}, searched on the {len(clips.labels):,} clips of {clips.split} / {clips.part}"
    if clips.part == "train":
        description += (
            "; networks that were trained on these clips look better there than they are, and the most overfitted "
            "gets too much weight"
        )
    return Fusion(fuse_streams([stream.probability for stream in streams], best), description, best)


def _cross_fitted(streams: list[Result], clips: Clips) -> Fusion:
    subjects = clips.folder.attributes.get("subject")
    groups = subjects[clips.indices] if subjects is not None else None
    if groups is not None and len(set(groups.tolist())) < 2:
        groups = None
    fold = folds(clips.labels, groups)
    probabilities = [stream.probability for stream in streams]
    fused, of_folds = cross_fit(probabilities, clips.labels, fold)
    for_all = search_weights(probabilities, clips.labels)
    what = f"{len(set(groups.tolist()))} subjects" if groups is not None else "clips (their subjects are not known)"
    description = (
        f"weights searched on {clips.split} / {clips.part} itself by cross-fitting: {len(of_folds)} folds of {what}, "
        f"each fused with the weights found on the others: {', '.join(map(_ratio, of_folds))}\n"
        f"weights searched on all these clips, for new ones and not measured here: {_ratio(for_all)}"
    )
    return Fusion(fused, description)


def show(streams: list[Result], fusion: Fusion, clips: Clips) -> None:
    """The table of all streams and the fusion, and what was done."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)
    classes = len(clips.folder.class_names)
    fused = figures_to_show(evaluate(fusion.probability, clips.labels), classes)
    table = Table("result", "scores", "order checked by", "weight", *fused)
    weights = fusion.weights or [None] * len(streams)
    for stream, weight in zip(streams, weights, strict=True):
        checked = "clip names" if stream.names else "labels" if stream.labels is not None else "number of clips only"
        figures = figures_to_show(evaluate(stream.scores, clips.labels), classes).values()
        shown = "per fold" if weight is None else f"{weight:g}"
        table.add_row(Text(str(stream.path)), stream.kind, checked, shown, *(f"{value:.4f}" for value in figures))
    table.add_section()
    table.add_row("fusion", "probabilities", "", "", *(f"{value:.4f}" for value in fused.values()), style="bold")
    console.print(table)
    print(f"{clips.split} / {clips.part} of {clips.folder.path}, {counted(len(clips.labels), 'clip')}")
    print(fusion.description)
    for line in remarks(fusion.probability, clips.labels, clips.folder.class_names):
        print(f"warning: {line}")


def _write(out: Path, streams: list[Result], fusion: Fusion, clips: Clips) -> Path:
    from kinegraph.training.run_folder import environment

    scores = log_probability(fusion.probability)
    folder = clips.folder
    evaluation = evaluation_of(folder, clips.split, clips.part, scores)
    text = "\n".join(
        ["# fused from", *(f"{stream.path}  # {stream.kind}" for stream in streams), fusion.description, ""]
    )
    about = environment() | {"dataset": str(folder.path)}
    return write_report(out, evaluation, About(text, about))["report"]


def _ratio(weights: tuple[float, ...]) -> str:
    return ":".join(f"{weight:g}" for weight in weights)
