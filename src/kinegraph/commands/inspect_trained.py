"""What `kinegraph inspect` says about files of a training or a test: runs, weights, checkpoints, results, tables."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kinegraph.data.checks import Finding, problem
from kinegraph.safe_io import parsed_json, read_json, read_yaml

if TYPE_CHECKING:
    from torch import nn

TORCH = (".pth", ".pt")
WEIGHTS = (".safetensors", ".pth", ".pt", ".index")
RESUMED, EXPORTED = ".ckpt", ".onnx"
FIGURES = ("top1", "mean_class_accuracy", "loss")
TABLES = {  # first columns of the tables that stand beside a result file or in a run folder -> what they are
    ("clip", "label", "label_name", "prediction"): "predictions of `kinegraph test`, one row per clip",
    ("class", "class_name", "clips", "correct"): "accuracy by class of `kinegraph test`, one row per class",
    ("epoch", "loss", "top1", "top5"): "validations of a run of `kinegraph train`, a row each",
}
About = tuple[dict, list[Finding]]


def look_at_trained(path: Path) -> About | None:
    """What is known of a file or folder of these kinds, and what is wrong with it; None where it is none of them."""
    if path.is_dir() and is_run(path):
        return look_at_run(path)
    if path.is_dir():
        return look_at_table(path / "predictions.csv") if (path / "predictions.csv").is_file() else None
    if path.suffix == ".json" and (result := path.with_suffix(".pkl")).is_file():
        return look_at_result(result)
    if path.suffix in WEIGHTS and not _holds_arrays(path):
        return look_at_weights(path)
    if path.suffix == EXPORTED:
        return look_at_exported(path)
    if path.suffix == RESUMED:
        from kinegraph.models.weights_path import is_published

        return look_at_weights(path) if is_published(path) else look_at_checkpoint(path)
    return look_at_table(path) if path.suffix == ".csv" else None


# ---- runs ------------------------------------------------------------------------------------------------------------


def is_run(path: Path) -> bool:
    return (path / "config.yaml").is_file() and ((path / "log.jsonl").is_file() or (path / "checkpoints").is_dir())


def look_at_run(path: Path) -> About:
    """How far a run has come, what it reached, where its weights are and what tests lie in it."""
    about: dict = {"what": "run folder of `kinegraph train`"}
    try:
        config = read_yaml(path / "config.yaml")
        log = path / "log.jsonl"
        records = [parsed_json(line, log) for line in log.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        return about, [problem("unreadable", error)]
    try:
        return _run_facts(path, about, config, records)
    except (AttributeError, ArithmeticError, LookupError, TypeError, ValueError):
        return about, [problem("unreadable", "config.yaml or log.jsonl is not as training writes it")]


def _run_facts(path: Path, about: dict, config: dict, records: list[dict]) -> About:
    found: list[Finding] = []
    about |= {key: config.get(key) for key in ("dataset", "split")}
    about["network"] = str((config.get("model") or {}).get("class_path", "")).rpartition(".")[2]
    trained, measured = ([record for record in records if record.get("mode") == mode] for mode in ("train", "val"))
    done = max((record.get("epoch", 0) for record in trained), default=0)
    meant = [record.get("epochs") for record in (config, *records) if isinstance(record.get("epochs"), int)]
    epochs = meant[0] if meant else 0  # "auto" in the config, and in runs of earlier versions nowhere else
    about["epochs"] = f"{done} of {epochs}" if meant else f"{done}"
    monitor = config.get("monitor") or "top1"
    if measured:
        best = max(measured, key=lambda record: record.get(monitor, -math.inf))
        about["best"] = f"{_figures(best)} (epoch {best.get('epoch')})"
        about["last"] = f"{_figures(measured[-1])} (epoch {measured[-1].get('epoch')})"
    weights = [path / "checkpoints" / f"{name}.safetensors" for name in ("best", "last")]
    about["weights"] = ", ".join(str(file) for file in weights if file.is_file())
    about["tests"] = "; ".join(_tests(path))
    if lost := [record for record in records if not math.isfinite(record.get("loss", 0.0))]:
        found.append(problem("not_finite", f"the loss was not finite in epoch {lost[0].get('epoch')}"))
    if not about["weights"]:
        found.append(problem("no_weights", "there are no weights in it"))
    if done < epochs and (path / "checkpoints" / "last.ckpt").is_file():
        resume = f"kinegraph train {path / 'config.yaml'} --work-dir {path} --resume"
        found.append(Finding("note", "unfinished", f"not finished; `{resume}` goes on with it"))
    return about, found


def _tests(run: Path) -> Iterator[str]:
    """The result files with what belongs to them: where, on what part, and how well."""
    for result in sorted([*run.glob("*.pkl"), *run.glob("*/*.pkl")]):
        try:
            about = read_json(result.with_suffix(".json"))
        except (ValueError, OSError):
            continue
        if isinstance(about, dict) and isinstance(about.get("metrics"), dict):
            what = "validation" if result.parent == run / "val" else f"{about.get('split')} / {about.get('part')}"
            yield f"{result.relative_to(run)} ({what}): {_figures(about['metrics'])}"


def _figures(record: dict) -> str:
    return ", ".join(f"{name} {record[name]:.4g}" for name in FIGURES if isinstance(record.get(name), int | float))


# ---- weights ---------------------------------------------------------------------------------------------------------


def _holds_arrays(path: Path) -> bool:
    """Whether what torch.save wrote are joints of clips, and not a network."""
    from kinegraph.data.formats import clip_arrays, smpl_tracks

    return path.suffix in TORCH and any(module.detect(path) for module in (smpl_tracks, clip_arrays))


def look_at_weights(path: Path) -> About:
    """What network a weights file or another project's checkpoint holds, and whether it can be used."""
    import torch

    from kinegraph.models.network import graph_of
    from kinegraph.models.weights_path import is_published

    about: dict = {"what": "checkpoint of another project" if is_published(path) else "weights of Kinegraph"}
    try:
        model, more = _published(path) if is_published(path) else _ours(path)
    except (ValueError, OSError) as error:
        return about, [problem("unreadable", error)]
    config, state = dict(model.config), model.state_dict()
    about |= {
        "network": type(model).__name__,
        "joints": int(graph_of(state).shape[-1]),
        "channels": config.pop("channels"),
        "classes": config.pop("classes"),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "config": config,
    }
    wrong = [name for name, tensor in state.items() if not torch.isfinite(tensor.double()).all()]
    return about | more, [problem("not_finite", f"NaN or infinity in {', '.join(wrong[:5])}")] if wrong else []


def _ours(path: Path) -> tuple["nn.Module", dict]:
    from kinegraph.models.weights import load_weights

    weights = load_weights(path, finite=False)
    about = {"layout": weights.layout.name, "preprocessing": weights.preprocessing, "recipe": weights.extra}
    return weights.model, about | {"class_names": list(weights.class_names)}


def _published(path: Path) -> tuple["nn.Module", dict]:
    from kinegraph.models.checkpoint_file import read_state
    from kinegraph.models.published import identify, infer_layout, load_published

    said: list[str] = []
    model = load_published(path, say=said.append)
    layout = infer_layout(model)
    about = {"dialect": identify(read_state(path))[0].dialect, "layout": layout.name if layout else None}
    return model, about | ({"graph": said[0]} if said else {})


def look_at_exported(path: Path) -> About:
    """What a file of `kinegraph export` takes and answers."""
    from kinegraph.inference.exported import load_exported

    about: dict = {"what": "exported network of Kinegraph"}
    try:
        known = load_exported(path)
    except (ValueError, OSError) as error:
        return about, [problem("unreadable", error)]
    takes = "recordings as they are" if known.prepares else "clips that are prepared"
    return about | {
        "takes": "single frames, for `kinegraph stream`" if known.frame_by_frame is not None else takes,
        "joints": len(known.layout),
        "layout": known.layout.name,
        "channels": known.channels,
        "classes": len(known.class_names),
        "preprocessing": known.preprocessing.to_dict(),
        "least_probability": known.least or None,
        "class_names": list(known.class_names),
    }, []


def look_at_checkpoint(path: Path) -> About:
    """A checkpoint to resume from, which is of use inside its run only."""
    from kinegraph.models.checkpoint_file import read_resumed
    from kinegraph.models.weights_path import weights_beside

    about: dict = {"what": "checkpoint of `kinegraph train`, to resume from"}
    try:
        state = read_resumed(path)
    except ValueError as error:
        return about, [problem("unreadable", error)]
    progress = state["progress"] if isinstance(state["progress"], dict) else {}
    about |= {key: progress[key] for key in ("epoch", "batch", "best", "best_epoch") if key in progress}
    return about, [Finding("note", "not_weights", f"to test or predict take the weights, {weights_beside(path)}")]


# ---- results ---------------------------------------------------------------------------------------------------------


def look_at_result(path: Path) -> About | None:
    """A result file; None for another one."""
    from kinegraph.evaluation.results import read_result

    if path.suffix not in (".pkl", ".pickle"):
        return None
    try:
        result = read_result(path)
    except ValueError:
        return None
    clips, classes = result.scores.shape
    about = {"what": "result file (scores of a network)", "clips": clips, "classes": classes, "scores": result.kind}
    labels = "in the file" if result.labels is not None else "not in the file; `kinegraph fuse --data` has them"
    return about | {"labels": labels, "clip names": "in predictions.csv beside it" if result.names else "unknown"}, []


def look_at_table(path: Path) -> About | None:
    """A table that a test or a run wrote; None for another one."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            if header[:1] not in (["clip"], ["class"], ["epoch"], ["label"], ["synthetic data: label"]):
                return None  # somebody's own table, which may be large
            rows = [row for row in lines if row]
    except (ValueError, csv.Error):
        return None
    what = next((about for columns, about in TABLES.items() if tuple(header[: len(columns)]) == columns), None)
    if what is None and header[1:] and [row[0] for row in rows] == header[1:]:
        return {"what": "confusion matrix of `kinegraph test`, one row per label", "classes": len(rows)}, []
    if what is None:
        return None
    about: dict = {"what": what, "rows": len(rows)}
    if "correct" in header and header[0] == "clip" and rows:
        correct = [row[header.index("correct")] for row in rows]
        about["top1"] = f"{correct.count('1') / len(rows):.4f}"
    return about | {"columns": ", ".join(header)}, []
