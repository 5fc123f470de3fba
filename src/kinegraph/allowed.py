"""The classes that a config or a weights file may name: a fixed list, and the classes of `--plugins` files.

The list holds names. Nothing is imported to check a name, and a name that is not in the list is never imported.
"""

import sys
from importlib import import_module

from kinegraph.messages import nearest, quoted
from kinegraph.plugins import plugin_classes

NETWORKS = (
    "kinegraph.models.stgcn.STGCN",
    "kinegraph.models.stgcnpp.STGCNPP",
    "kinegraph.models.agcn.AGCN",
    "kinegraph.models.agcn.PersonAGCN",
    "kinegraph.models.ctrgcn.CTRGCN",
    "kinegraph.models.dgstgcn.DGSTGCN",
    "kinegraph.models.aagcn.AAGCN",
    "kinegraph.models.msg3d.MSG3D",
    "kinegraph.models.protogcn.ProtoGCN",
    "kinegraph.models.skateformer.SkateFormer",
    "kinegraph.models.posestatistics.PoseStatistics",
    "kinegraph.models.fixedfeatures.FixedFeatures",
    "kinegraph.models.jointdistances.JointDistances",
    "kinegraph.models.minirocket.MiniRocket",
    "kinegraph.models.ensemble.Ensemble",
)
LOSSES = (  # each takes logits (N, classes) and labels (N,)
    "kinegraph.training.losses.CrossEntropy",
    "kinegraph.training.losses.BinaryCrossEntropy",
    "kinegraph.training.losses.ClassBalancedFocalLoss",
    "torch.nn.CrossEntropyLoss",
    "torch.nn.NLLLoss",
    "torch.nn.MultiMarginLoss",
    "torch.nn.BCEWithLogitsLoss",
    "torch.nn.MultiLabelSoftMarginLoss",
)
OPTIMIZERS = (
    "kinegraph.training.optim.PublishedSGD",
    "torch.optim.Adadelta",
    "torch.optim.Adafactor",
    "torch.optim.Adagrad",
    "torch.optim.Adam",
    "torch.optim.AdamW",
    "torch.optim.Adamax",
    "torch.optim.ASGD",
    "torch.optim.NAdam",
    "torch.optim.RAdam",
    "torch.optim.RMSprop",
    "torch.optim.Rprop",
    "torch.optim.SGD",
)  # not LBFGS, Muon and SparseAdam: they want a closure, matrices alone, sparse gradients
OPTIONS = {"model": NETWORKS, "loss": LOSSES, "optimizer": OPTIMIZERS}  # options of `train` that name a class
RENAMED = {  # names in the configs of earlier versions -> names today
    "kinegraph.commands.train.sgd": "kinegraph.training.optim.PublishedSGD",
    "kinegraph.training.optimizer.PublishedSGD": "kinegraph.training.optim.PublishedSGD",
}
ALLOWED = (
    "kinegraph's networks and losses, torch.optim's optimizers, torch.nn's losses, and classes of --plugins FILE.py"
)


def allowed_name(name: object, option: str = "") -> str:
    """The full name of today for an allowed class; SGD stands for torch.optim.SGD. Nothing is imported.

    option: model, loss or optimizer, for a class of that kind; "" for any. Plugins' classes are of every kind.
    Raises ValueError that says what is allowed.
    """
    listed = OPTIONS.get(option) or (*NETWORKS, *LOSSES, *OPTIMIZERS)
    if not isinstance(name, str):
        raise ValueError(f"{quoted(name)} is not allowed; a config may name {ALLOWED}")
    name = RENAMED.get(name, name)
    if name in listed or name in (plugins := plugin_classes()):
        return name
    known = {path.rpartition(".")[2]: path for path in (*plugins, *listed)}
    if name in known:
        return known[name]
    close = nearest(name.rpartition(".")[2], known)
    hint = f"; did you mean '{known[close]}'?" if close else _file_of(name)
    raise ValueError(f"{quoted(name)} is not allowed; a config may name {ALLOWED}{hint}")


def _file_of(name: str) -> str:
    """The fix where a name may be FILE.CLASS of a plugin that is not given, such as with weights from somebody else."""
    file = name.rpartition(".")[0]
    if not file.isidentifier() or file in (*sys.stdlib_module_names, "torch", "kinegraph"):
        return ""
    return f"; if it is a class of a file {file}.py, give --plugins {file}.py, where you trust who wrote it"


def allowed_class(name: object) -> type:
    """The class of an allowed name, imported. Raises ValueError as `allowed_name`, or where this torch lacks it."""
    name = allowed_name(name)
    if name not in (*NETWORKS, *LOSSES, *OPTIMIZERS):
        return plugin_classes()[name]
    module, _, attribute = name.rpartition(".")
    found = getattr(import_module(module), attribute, None)
    if not isinstance(found, type):
        raise ValueError(f"there is no '{name}' in the installed version of torch; it needs a newer one")
    return found
