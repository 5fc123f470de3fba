"""MMAction2's own STGCN and AAGCN classes, in an environment of its own (peers.sh)."""

import importlib
import sys
import types
from pathlib import Path

import torch
from contestants import torch_steps
from contestants.plain import Recognizer
from jobs import Job

VARIANTS = {"stgcn": {}, "stgcnpp": {"gcn_adaptive": "init", "gcn_with_res": True, "tcn_type": "mstcn"}}
ADAPTIVE = {"aagcn": {}, "agcn1": {"gcn_attention": False}}


def load_class(network: str = "STGCN") -> type:
    """mmaction.models.backbones.stgcn.STGCN, or AAGCN, without the rest of mmaction.models: that wants video decoders.

    The packages on the way are empty modules that know their folder; the files below them are loaded unchanged.
    """
    root = Path(importlib.import_module("mmaction").__file__).parent
    for name in ("models", "models.backbones", "models.utils"):
        package = types.ModuleType(f"mmaction.{name}")
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[package.__name__] = package
    for name in ("gcn_utils", "graph"):  # what models/utils/__init__.py would hand on
        found = vars(importlib.import_module(f"mmaction.models.utils.{name}"))
        package.__dict__.update({key: value for key, value in found.items() if not key.startswith("__")})
    return getattr(importlib.import_module(f"mmaction.models.backbones.{network.lower()}"), network)


def prepare(job: Job) -> torch_steps.Step:
    graph = {"layout": {17: "coco", 25: "nturgb+d"}[job.joints], "mode": "stgcn_spatial"}
    if job.network in ADAPTIVE:
        backbone = load_class("AAGCN")(graph_cfg=graph, **ADAPTIVE[job.network])
    elif job.network in VARIANTS:
        backbone = load_class()(graph_cfg=graph, **VARIANTS[job.network])
    else:
        raise LookupError(f"MMAction2 1.x has no {job.network} of the same function")
    network = Recognizer(backbone)
    network.load_state_dict(torch_steps.load(job.weights))
    return torch_steps.step(job, network)


def versions() -> dict[str, str]:
    import mmaction
    import mmcv
    import mmengine

    return {
        "mmaction2": mmaction.__version__,
        "mmengine": mmengine.__version__,
        "mmcv-lite": mmcv.__version__,
        "torch": torch.__version__,
    }
