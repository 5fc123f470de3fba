"""The fuzzed readers of layouts, configs, dataset folders, weights and result files."""

import io
import json
import pickle
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import save

from kinegraph.commands.arguments import read_config
from kinegraph.commands.configs import check_yaml
from kinegraph.commands.train import train
from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.results import read_result
from kinegraph.inference.inputs import read_inputs
from kinegraph.models.published import load_published
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import HEADER, load_weights, save_weights
from kinegraph.report.runs import config_differences, read_run
from kinegraph.report.write import write_single
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests import made_up
from tests.fuzz.reader import Form, Reader, as_file, drain, made

# ---- YAML ------------------------------------------------------------------------------------------------------------


def _config(path: Path) -> None:
    check_yaml(path)
    try:
        read_config(train, path)
    except ValueError as error:  # an option is the place: it may stand on the command line too
        raise ValueError(f"{path}: {error}") from error


def _yaml_seeds() -> list[list[bytes]]:
    folder = Path(__file__).parents[2]
    layouts = [folder / "src/kinegraph/skeleton/layouts" / f"{name}.yaml" for name in ("coco17", "hand21")]
    configs = [folder / "configs/small_data.yaml", folder / "configs/demo_synthetic.yaml"]
    own = b"dataset: x\n" + made_up.CONFIG.encode()
    anchors = b"&a [*a]\n", b"a: &x [1, 2]\nb: [*x, *x]\n<<: {c: 2001-12-14}\n"
    return [
        [file.read_bytes() for file in layouts] + [anchors[0]],
        [file.read_bytes() for file in configs] + [own, anchors[1]],
    ]


# ---- datasets, weights, results --------------------------------------------------------------------------------------


def _dataset_file(name: str) -> Form:
    def form(folder: Path, data: bytes) -> None:
        for file in ("keypoint.npy", "clips.csv", "dataset.json"):
            (folder / file).write_bytes(data if file == name else made()[f"set/{file}"])
        drain(read_inputs([folder])[0])
        open_dataset(folder, check_values=True)

    return form


@cache
def _network() -> STGCN:
    return STGCN(torch.from_numpy(adjacency(load_layout("coco17"), "spatial")).float(), 2, 3, widths=[4, 4])


@cache
def _weights() -> bytes:
    with TemporaryDirectory() as name:
        path = Path(name) / "w.safetensors"
        about = {"layout": load_layout("coco17"), "class_names": ["a", "b", "c"], "preprocessing": {}}
        save_weights(path, _network(), **about)
        return path.read_bytes()


def _weights_header(folder: Path, data: bytes) -> None:
    """The text in the header of a good file replaced."""
    text = data.decode("utf-8", "replace")
    (folder / "w.safetensors").write_bytes(save(_network().state_dict(), metadata={HEADER: text}))
    load_weights(folder / "w.safetensors")


def _weights_seeds() -> list[list[bytes]]:
    size = int.from_bytes(_weights()[:8], "little")
    header = json.loads(_weights()[8 : 8 + size])["__metadata__"][HEADER]
    return [[_weights()], [header.encode()]]


def _zipped_state(folder: Path, data: bytes) -> None:
    """The pickle in a good .pth replaced."""
    _write_zip(folder / "w.pth", {"archive/data.pkl": data})
    load_published(folder / "w.pth")


def _write_zip(path: Path, replaced: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(_states()[0])) as good, zipfile.ZipFile(path, "w") as file:
        for name in good.namelist():
            file.writestr(name, replaced.get(name, good.read(name)))


@cache
def _states() -> list[bytes]:
    state, made = {"st_gcn_networks.0.gcn.conv.weight": torch.ones(3, 2), "A": torch.ones(2)}, []
    for new in (True, False):
        content = io.BytesIO()
        torch.save(state, content, _use_new_zipfile_serialization=new)
        made.append(content.getvalue())
    return made


def _state_seeds() -> list[list[bytes]]:
    with zipfile.ZipFile(io.BytesIO(_states()[0])) as file:
        return [_states(), [file.read("archive/data.pkl")]]


def _result_seeds() -> list[list[bytes]]:
    scores = [np.array([0.25, 0.75], np.float32)] * 2
    dicts = [{"pred_score": torch.tensor([0.25, 0.75]), "gt_label": torch.tensor([1])}] * 2
    found = [pickle.dumps(scores, 3), pickle.dumps(dicts, 2), pickle.dumps(np.ones((2, 3)), 4)]
    return [found, [b"clip,prediction\na,1\nb,1\n"]]


def _predictions(folder: Path, data: bytes) -> None:
    (folder / "predictions.csv").write_bytes(data)
    (folder / "result.pkl").write_bytes(_result_seeds()[0][0])
    read_result(folder / "result.pkl")


# ---- runs and tests --------------------------------------------------------------------------------------------------


def _run_file(name: str) -> Form:
    """A run folder with one file replaced, as `kinegraph report` reads and shows it."""

    def form(folder: Path, data: bytes) -> None:
        for file, content in {"config.yaml": b"epochs: 3\n", "log.jsonl": _log(2)}.items():
            (folder / file).write_bytes(data if file == name else content)
        run = read_run(folder)
        config_differences([run.config, {}])
        write_single(run, folder / "page.html")

    return form


def _about_result(folder: Path, data: bytes) -> None:
    """The JSON beside a good result replaced."""
    (folder / "result.pkl").write_bytes(_result_seeds()[0][0])
    (folder / "result.json").write_bytes(data)
    write_single(read_run(folder), folder / "page.html")


def _log(epochs: int) -> bytes:
    lines: list[dict] = [{"mode": "environment", "seed": 1}, {"mode": "warning", "severity": "note", "message": "few"}]
    for epoch in range(1, epochs + 1):
        figures = {"loss": 0.5, "top1": 0.25, "top5": 1.0, "mean_class_accuracy": 0.25}
        lines += [{"mode": mode, "epoch": epoch, "iter": 3} | figures for mode in ("train", "val")]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _run_seeds() -> list[list[bytes]]:
    about = {"split": "xsub", "part": "val", "class_names": ["a", "b"], "clips": ["x", "y"], "labels": [0, 1]}
    about |= {"log": None, "environment": {"torch": "2"}, "warnings": ["note: few"], "config": "epochs: 3"}
    large = about | {"class_names": [f"{'x' * 99}{i}" for i in range(1000)]}  # more than 64 kB, as the second log
    seeds = [json.dumps(it).encode() for it in (about, large)]
    return [[_log(2), _log(500)], [b"epochs: 3\nmodel: {class_path: x}\n"], seeds]


OWN_FILES = {
    "YAML": Reader([as_file("own.yaml", load_layout), as_file("config.yaml", _config)], _yaml_seeds),
    "dataset folders": Reader(
        [_dataset_file("dataset.json"), _dataset_file("clips.csv"), _dataset_file("keypoint.npy")],
        lambda: [[made()["set/dataset.json"]], [made()["set/clips.csv"]], [made()["set/keypoint.npy"]]],
    ),
    "weights": Reader([as_file("w.safetensors", load_weights), _weights_header], _weights_seeds),
    "pth": Reader([as_file("w.pth", load_published), _zipped_state], _state_seeds),
    "runs": Reader([_run_file("log.jsonl"), _run_file("config.yaml"), _about_result], _run_seeds),
    "results": Reader([as_file("result.pkl", read_result), _predictions], _result_seeds),
}
