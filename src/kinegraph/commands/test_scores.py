"""`kinegraph test CONFIG --from RESULT`: the figures of scores that a network of any project has given before."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from kinegraph.commands.arguments import read_config
from kinegraph.commands.fuse import clips_of, read_fitting
from kinegraph.commands.test import TestOptions
from kinegraph.commands.train import train
from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.evaluation import Evaluation, evaluation_of
from kinegraph.evaluation.fusion import log_probability
from kinegraph.evaluation.metrics import evaluate, figures_to_show, remarks
from kinegraph.evaluation.results import checked_result_path
from kinegraph.report.html import About
from kinegraph.report.write import write_asked
from kinegraph.training.run_folder import environment

RESULTS = (".pkl", ".pickle", ".json")


def with_result(argv: Sequence[str]) -> list[str]:
    """The words with the result file of --from in the place of the weights."""
    words = list(argv)
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--from":
            given = [value] if equals else words[i + 1 : i + 2]
            if not given or given[0].startswith("--"):
                raise ValueError("--from is there without a value; give a result file")
            if Path(given[0]).suffix not in RESULTS:
                raise ValueError(f"--from {given[0]}: expected a result file that ends in {' or '.join(RESULTS)}")
            rest = words[:i] + words[i + 1 + (not equals) :]
            if rest and not rest[0].startswith("-"):
                return [rest[0], *given, *rest[1:]]
            if (dataset := _value("--dataset", rest)) is None:
                raise ValueError("--from needs a config, or --dataset FOLDER with the clips and their labels")
            return [dataset, *given, *rest]
    return words


def _value(option: str, words: Sequence[str]) -> str | None:
    for word, after in pairwise([*words, ""]):
        if word.partition("=")[0] == option:
            return word.partition("=")[2] or after
    return None


def measure_scores(asked: TestOptions, metrics: Sequence[str]) -> Evaluation:
    """Print the figures of a result file and write its report. Its config is ours, or the dataset folder itself."""
    out = checked_result_path(asked.out) if asked.out else None
    config, result, report = asked.config, asked.checkpoint, asked.report
    dataset, split = asked.dataset, asked.split
    if not config.is_dir():
        options = read_config(train, config)
        dataset, split = dataset or Path(str(options.dataset)), split or str(options.split)
    clips = clips_of(open_dataset(dataset or config, check_values=True), split, asked.part)
    if out and out.resolve() == result.resolve():
        raise ValueError(f"--out {out} is the result file that is read")
    found = read_fitting(result, clips)
    scores = found.scores if found.kind == "logits" else log_probability(found.probability)
    checked = "clip names" if found.names else "labels" if found.labels is not None else "their number only"
    print(f"{len(scores):,} clips of {clips}: {found.kind}, order checked by {checked}")
    figures = evaluate(scores, clips.labels, list(metrics))
    for name, value in figures_to_show(figures, scores.shape[1]).items():
        print(f"{name}: {value:.4f}")
    warnings = [f"warning: {line}" for line in remarks(scores, clips.labels, clips.folder.class_names)]
    for line in warnings:
        print(line)
    evaluation = replace(evaluation_of(clips.folder, clips.split, clips.part, scores), warnings=warnings)
    if out or report:
        facts = environment() | {"dataset": str(clips.folder.path)}
        about = About(f"# scores of {result}\n", facts, warnings=warnings)
        report = write_asked(out, report, evaluation, about)
        print(f"report: {report}")
    return replace(evaluation, report=report)
