"""MMAction2's own STGCN class, in an environment of its own (peers.sh)."""

import importlib
import sys
import types
from pathlib import Path

import torch
from contestants import torch_steps
from contestants.plain import Recognizer
from jobs import Job

VARIANTS = {"stgcn": {}, "stgcnpp": {"gcn_adaptive": "init", "gcn_with_res": True, "tcn_type": "mstcn"}}


def load_class() -> type:
    """mmaction.models.backbones.stgcn.STGCN without the rest of mmaction.models, which wants video decoders and more.

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
    return importlib.import_module("mmaction.models.backbones.stgcn").STGCN


def prepare(job: Job) -> torch_steps.Step:
    if job.network not in VARIANTS:
        raise LookupError(f"MMAction2 1.x has no {job.network} of the same function")
    layout = {17: "coco", 25: "nturgb+d"}[job.joints]
    backbone = load_class()(graph_cfg={"layout": layout, "mode": "stgcn_spatial"}, **VARIANTS[job.network])
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
