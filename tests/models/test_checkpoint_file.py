"""Checkpoints as training frameworks leave them: the network is read, their objects are passed over, nothing is run."""

import copyreg
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from types import ModuleType

import numpy as np
import pytest
import torch

from kinegraph.cli import main
from kinegraph.evaluation.results import read_result
from kinegraph.models.published import save_published
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import load_model, load_weights
from kinegraph.skeleton.graph import adjacency


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return STGCN(adjacency("coco17"), 3, 5, widths=[4, 8])


@pytest.fixture(scope="module")
def state(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "a.pth"
    save_published(path, network, "mmaction1")
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.fixture
def framework(monkeypatch):
    """Classes of a framework that is there while a file is written only; `.leave()` takes it away."""
    modules = [
        "mmengine", "mmengine.logging", "mmengine.logging.history_buffer", "mmengine.logging.message_hub",
        "mmengine.config", "mmengine.config.config", "mmengine.structures",
    ]  # fmt: skip
    for name in modules:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))

    def put(module: str, kind: type) -> type:
        kind.__module__, kind.__qualname__ = module, kind.__name__
        setattr(sys.modules[module], kind.__name__, kind)
        return kind

    class HistoryBuffer:
        def __init__(self):
            self._log_history, self._count_history = np.arange(3.0), np.ones(3, np.int64)
            self._statistics_methods = {"min": HistoryBuffer.min}  # torch writes it as getattr(HistoryBuffer, "min")

        def min(self):
            return 0

    class MessageHub:
        def __init__(self):
            self._log_scalars = OrderedDict({"train/loss": HistoryBuffer()})
            self._runtime_info = OrderedDict(iter=3, best=np.float64(0.5))

    HistoryBuffer.min.__qualname__, HistoryBuffer.min.__module__ = (
        "HistoryBuffer.min",
        "mmengine.logging.history_buffer",
    )
    found = ModuleType("found")
    found.HistoryBuffer = put("mmengine.logging.history_buffer", HistoryBuffer)
    found.MessageHub = put("mmengine.logging.message_hub", MessageHub)
    found.ConfigDict = put("mmengine.config.config", type("ConfigDict", (dict,), {}))
    found.Stages = put("mmengine.config.config", type("Stages", (list,), {}))
    found.LabelData = put("mmengine.structures", type("LabelData", (), {}))
    found.leave = lambda: [monkeypatch.delitem(sys.modules, name) for name in modules]
    return found


def with_prefix(prefix: str, state: dict) -> OrderedDict:
    return OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def checkpoints(state: dict, framework: ModuleType) -> dict[str, dict]:
    hub, config = framework.MessageHub(), framework.ConfigDict(model={"type": "RecognizerGCN"})
    config["stages"] = framework.Stages([1, config])
    config.text = "model = dict()"
    with_metadata = OrderedDict(state)
    with_metadata._metadata = OrderedDict({"": {"version": 1}})
    wrong = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    average = {**with_prefix("module.", wrong), "steps": torch.tensor(7)}
    return {
        "the hub itself": {"state_dict": with_metadata, "message_hub": hub, "meta": {"cfg": config, "seed": 1}},
        "the hub's state": {"meta": {"time": "x"}, "state_dict": state, "message_hub": vars(hub),
                            "param_schedulers": [{"last_step": 1}], "optimizer": {"state": {0: torch.ones(2)}}},
        "with an average": {"ema_state_dict": average, "state_dict": state, "message_hub": hub},
        "an average alone": {"ema_state_dict": {**with_prefix("module.", state), "steps": torch.tensor(7)}},
        "parallel": {"state_dict": with_prefix("module.", state), "hub": hub},
        "Lightning": {"state_dict": {**with_prefix("model.", state), "loss.weight": torch.ones(5)},
                      "hyper_parameters": config, "pytorch-lightning_version": "2.5", "loops": {"a": hub}},
        "by hand": {"epoch": 3, "model_state_dict": with_prefix("module._orig_mod.", state), "config": config},
        "parameters": {"state_dict": {name: torch.nn.Parameter(it) if it.is_floating_point() else it
                                      for name, it in state.items()}, "hub": hub},
    }  # fmt: skip


KINDS = ["the hub itself", "the hub's state", "with an average", "an average alone", "parallel", "Lightning", "by hand",
         "parameters"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("archive", [True, False], ids=["zip", "old"])
def test_a_checkpoint_of_a_framework_is_the_network_in_it(tmp_path, network, state, framework, kind, archive):
    path = tmp_path / "a.pth"
    torch.save(checkpoints(state, framework)[kind], path, _use_new_zipfile_serialization=archive)
    framework.leave()
    found = load_model(path).state_dict()
    assert found.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("old", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
def test_arrays_of_either_numpy_are_passed_over(tmp_path, state, framework, old):
    content = io.BytesIO()
    torch.save(checkpoints(state, framework)["the hub itself"], content)
    framework.leave()
    with zipfile.ZipFile(content) as packed, zipfile.ZipFile(tmp_path / "a.pth", "w") as changed:
        for name in packed.namelist():
            changed.writestr(name, packed.read(name).replace(b"numpy._core.multiarray", old))
    assert load_model(tmp_path / "a.pth").config["classes"] == 5


def test_every_command_reads_it_and_a_ckpt_of_lightning_too(tmp_path, state, framework, capsys):
    path = tmp_path / "epoch=3.ckpt"
    torch.save(checkpoints(state, framework)["Lightning"], path)
    framework.leave()
    assert main(["convert", str(path), str(tmp_path / "a.safetensors"), "--layout", "coco17"]) == 0
    assert load_weights(tmp_path / "a.safetensors").model.config["widths"] == [4, 8]
    assert main(["inspect", str(path)]) == 0
    assert "mmaction1" in capsys.readouterr().out


def test_a_checkpoint_to_resume_from_names_the_weights_beside_it(tmp_path, state):
    path = tmp_path / "kept.pth"
    torch.save({"network": state, "optimizer": {}, "progress": {}}, path)
    with pytest.raises(ValueError, match=r"to resume training from; the weights are .*last\.safetensors"):
        load_model(path)


def test_scores_in_tensors_beside_objects_of_a_framework(tmp_path, framework):
    rng, path = np.random.default_rng(0), tmp_path / "result.pkl"
    scores = rng.normal(size=(3, 5)).astype(np.float32)
    label = framework.LabelData()
    label.item = torch.tensor(1)
    kinds = {
        "one tensor": torch.from_numpy(scores),
        "tensors": [torch.nn.Parameter(torch.from_numpy(row)) for row in scores],
        "samples": [{"pred_score": torch.from_numpy(row), "data": label} for row in scores],
    }
    files = {name: (pickle.dumps(it), pickle.dumps(it, 2), _torch_saved(it)) for name, it in kinds.items()}
    framework.leave()
    for name, written in files.items():
        for content in written:
            path.write_bytes(content)
            assert np.array_equal(read_result(path).scores, scores), name


def _torch_saved(value: object) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


# ---- hostile ---------------------------------------------------------------------------------------------------------

WATCH = """
import sys
from pathlib import Path
from kinegraph.evaluation.results import read_result
from kinegraph.models.weights import load_model

def read(path):
    try:
        load_model(path) if path.suffix == ".pth" else read_result(path)
        print(path.name, "read")
    except ValueError as error:
        print(path.name, "refused" if len(str(error).splitlines()) == 1 else error)

fine, *hostile = map(Path, sys.argv[1:])
read(fine)  # what is imported late is there
"".encode("raw_unicode_escape")
seen = []
RUNS = ("import", "exec", "compile", "os.system", "os.posix_spawn", "subprocess.Popen", "socket.connect")
def note(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event in RUNS:
        seen.append((event, str(arguments)[:200]))
sys.addaudithook(note)
for path in hostile:
    read(path)
seen, found = [], seen
print(found)
"""


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hostile_objects(trace) -> dict[str, object]:
    getter = Call(getattr, Call(__import__, "os"), "system")
    return {
        "command": Call(os.system, f"touch {trace}"),
        "code": Call(exec, f"open({str(trace)!r}, 'w')"),
        "module": Call(__import__, "antigravity"),
        "by getattr": getter,
        "write": Call(open, str(trace), "w"),
        "torch": Call(torch.load, str(trace)),
        "class": Call(subprocess.Popen, ["touch", str(trace)]),
        "state": Call(copyreg._reconstructor, subprocess.Popen, object, None),
    }


def test_nothing_of_a_hostile_file_is_run(tmp_path, state):
    trace, files = tmp_path / "trace", []
    torch.save({"state_dict": state, "hub": Call(np.float64, 1.0)}, tmp_path / "fine.pth")
    for name, call in hostile_objects(trace).items():
        for archive in (True, False):
            for place, content in {"beside": {"state_dict": state, "hub": call}, "as": {"state_dict": {"a": call}},
                                   "for": call}.items():  # fmt: skip
                files.append(tmp_path / f"{name} {place} {archive}.pth")
                torch.save(content, files[-1], _use_new_zipfile_serialization=archive)
        for protocol in (0, 2, 5):
            files.append(tmp_path / f"{name} {protocol}.pkl")
            files[-1].write_bytes(pickle.dumps([{"pred_score": np.ones(3), "more": call}], protocol))
        files.append(tmp_path / f"{name}.pkl")
        files[-1].write_bytes(_torch_saved([{"pred_score": torch.ones(3), "more": call}]))
    words = [sys.executable, "-c", WATCH, tmp_path / "fine.pth", *files]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    *lines, seen = done.stdout.splitlines() or [done.stderr]
    assert seen == "[]", done.stderr
    assert len(lines) == 1 + len(files)
    assert {line.rpartition(" ")[2] for line in lines} == {"read", "refused"}
    assert all(line.endswith("read") == (" beside " in line or ".pkl" in line) for line in lines[1:])
    assert not trace.exists()
