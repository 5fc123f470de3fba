"""`kinegraph test --from RESULT`: scores that a network of any project has given before -> metrics, report."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from kinegraph.commands.arguments import read_config
from kinegraph.commands.fuse import clips_of, read_fitting
from kinegraph.commands.test import TestOptions
from kinegraph.commands.train import train
from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.evaluation import Evaluation, evaluation_of
from kinegraph.evaluation.fusion import log_probability
from kinegraph.evaluation.metrics import evaluate, figure_lines, remarks
from kinegraph.evaluation.results import checked_result_path
from kinegraph.messages import counted
from kinegraph.report.html import About
from kinegraph.report.write import write_asked
from kinegraph.training.run_folder import environment

OF_NETWORKS = ("keep", "engine", "precision", "accelerator", "devices")  # options


def measure_scores(asked: TestOptions, metrics: Sequence[str]) -> Evaluation:
    """Print the figures of a result file and write its report. Its config is ours, or the dataset folder itself."""
    usual = {field.name: field.default for field in fields(TestOptions)}
    if vain := [name for name in OF_NETWORKS if getattr(asked, name) != usual[name]]:
        raise ValueError(
            f"--{vain[0]} is for a network that is asked; a result file has its scores already: leave it out"
        )
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
    print(f"{counted(len(scores), 'clip')} of {clips}: {found.kind}, order checked by {checked}")
    figures = evaluate(scores, clips.labels, list(metrics))
    print(*figure_lines(figures, scores.shape[1]), sep="\n")
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
