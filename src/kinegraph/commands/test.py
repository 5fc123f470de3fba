"""kinegraph test: weights on a split -> metrics, result file, report."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # torch takes seconds to import: not for --help
    from kinegraph.evaluation.evaluation import Evaluation
    from kinegraph.evaluation.timelines import TimelineEvaluation

RESULTS = (".pkl", ".pickle", ".json", ".npy")  # files of scores


@dataclass(frozen=True)
class TestOptions:
    """What `kinegraph test` takes from its command line.

    Args:
        config: the YAML file the weights were trained with, or its name: dataset, split and batch size are taken from
            it; or the dataset folder itself, with --split; or a config of MMAction2, PYSKL, ProtoGCN (.py),
            yysijie/st-gcn, 2s-AGCN, MS-G3D, CTR-GCN or mmskeleton (.yaml), with the options of their test command, such
            as --cfg-options.
            A run folder alone stands for its config and its best weights.
        checkpoint: weights, e.g. runs/NAME/checkpoints/best.safetensors, which know how clips are prepared for them;
            or an .onnx file of `kinegraph export`; or a .pth of MMAction2, PYSKL or yysijie/st-gcn, for which the
            config says it. In place of weights, --from names a result file of any project, whose scores are measured.
        eval: metrics to print: top_k_accuracy, mean_class_accuracy (by default these), macro_f1, auroc, brier_score,
            log_loss.
        out: folder for the result file (result.pkl, or a .pkl of another name), tables, pictures and report.html. Of
            long recordings figures and predicted segments.
        report: where to write the report, a page to be opened in a browser, if not beside the result file.
        dataset: another dataset folder than the config's.
        split: another split than the config's.
        part: part of the split, by default val, or test where there is no val.
        keep: also write the figures into the weights file and its card.
        batch_size: clips at a time.
        workers: processes that prepare batches.
        accelerator: cpu, cuda, mps or auto.
        devices: processes, one a GPU or, on the CPU, that many.
        precision: 32-true (or fp32), 16-mixed (fp16), bf16-mixed (bf16) or 64-true.
        engine: what computes the network; auto measures once which is the fastest on this machine, torch, the network
            made quick, or what is installed of onnxruntime and openvino, and keeps that in ~/.cache/kinegraph/engines.
        plugins: Python files that define the network, loss, optimizer or graph that the config or the weights name.
    """

    config: Path
    checkpoint: Path
    eval: list[str] | None = None
    out: Path | None = None
    report: Path | None = None
    dataset: Path | None = None
    split: str | None = None
    part: str | None = None
    keep: bool = False
    batch_size: int | None = None
    workers: int | None = None
    accelerator: str = "auto"
    devices: int = 1
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true"] = "32-true"
    engine: Literal["torch", "auto", "onnxruntime", "openvino"] = "torch"
    plugins: list[Path] | None = None


def test(options: TestOptions) -> "Evaluation | TimelineEvaluation":
    """Measure trained weights on one part of a split.

    Examples:
        kinegraph test runs/mine --out results/mine/result.pkl
        kinegraph test runs/mine/config.yaml runs/mine/checkpoints/last.safetensors --out results/mine/result.pkl
        kinegraph test configs/stgcn_80e_ntu60_xsub_keypoint_3d.yaml published.pth --eval top_k_accuracy
        kinegraph test configs/skeleton/stgcn/stgcn_80e_ntu60_xsub_keypoint.py published.pth --out result.pkl
        kinegraph test --from work_dir/ntu/xsub/agcn_joint/epoch49_test_score.pkl --dataset data/ntu60 --split xsub
    """
    from kinegraph.commands.test_weights import measure

    return measure(options)


def words(argv: Sequence[str]) -> list[str]:
    """The words of the command line; another project's config and options become ours, --from names a result file."""
    from kinegraph.commands.foreign_config import foreign_words
    from kinegraph.commands.reading import with_config_of_run

    return _with_result(foreign_words("test", with_config_of_run(argv)))


def _with_result(argv: Sequence[str]) -> list[str]:
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
