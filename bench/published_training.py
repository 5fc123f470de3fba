"""A training as MMAction2 1.2.0 does it, in a plain loop: its transforms, network, head, optimizer and schedule.

Its package `mmaction.models` asks for video decoders, so the files of the network and of the head are loaded alone and
unchanged, see `contestants/mmaction2.py`. Its loop is mmengine's: shuffled clips, one step a batch, the learning rate
along half a cosine over all steps, test clips after each epoch.
"""

import importlib
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contestants.mmaction2 import VARIANTS, load_class
from contestants.plain_ctrgcn import CTRGCN
from contestants.plain_dgstgcn import DGSTGCN
from torch import nn

from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

PLAIN = {"ctrgcn": CTRGCN, "dgstgcn": DGSTGCN}

Curves = dict[str, list[tuple[int, float]]]  # (epoch, value) by figure


def build(name: str, widths: tuple[int, ...]) -> nn.Module:
    """The network with first weights as MMAction2 or PYSKL draws them. It takes (N, M, T, V, C)."""
    if name in PLAIN:
        graph = torch.from_numpy(adjacency(load_layout("ntu25_star"), "inward_outward")).float()
        network = PLAIN[name](graph, widths=widths, classes=20)
        draw_as_pyskl(network)
        return network
    grown = [i + 1 for i in range(1, len(widths)) if widths[i] > widths[i - 1]]
    graph = {"layout": "nturgb+d", "mode": "stgcn_spatial"}
    graph |= {"mode": "spatial"} if name == "stgcnpp" else {}
    stages = {"num_stages": len(widths), "inflate_stages": grown, "down_stages": grown}
    backbone = load_class()(graph_cfg=graph, base_channels=widths[0], **stages, **VARIANTS[name])
    network = Recognizer(backbone, load_head()(num_classes=20, in_channels=widths[-1]))
    backbone.init_weights()
    network.cls_head.init_weights()
    return network


def draw_as_pyskl(network: nn.Module) -> None:
    """First weights of a plain network as PYSKL draws them; torch's own remain for what is not said here."""
    for name, module in network.named_modules():
        drawn = ".gcn1" in name or ".tcn1" in name  # of CTR-GCN; DG-STGCN and projections of blocks keep torch's
        if drawn and isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            nn.init.zeros_(module.bias)
        elif name.endswith(".gcn1.bn"):
            nn.init.constant_(module.weight, 1e-6)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)
    for name, parameter in network.named_parameters():
        if name.endswith((".alpha", ".beta", ".add_coeff")):
            nn.init.zeros_(parameter)


class Recognizer(nn.Module):
    """Backbone and head, as MMAction2's RecognizerGCN calls them."""

    def __init__(self, backbone: nn.Module, cls_head: nn.Module):
        super().__init__()
        self.backbone, self.cls_head = backbone, cls_head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cls_head(self.backbone(x))


def load_head() -> type:
    """mmaction.models.heads.gcn_head.GCNHead, loaded like the backbone; its losses with it."""
    root = Path(importlib.import_module("mmaction").__file__).parent / "models"
    for name in ("heads", "losses"):
        package = types.ModuleType(f"mmaction.models.{name}")
        package.__path__ = [str(root / name)]
        sys.modules.setdefault(package.__name__, package)
    importlib.import_module("mmaction.models.losses.cross_entropy_loss")
    return importlib.import_module("mmaction.models.heads.gcn_head").GCNHead


class Published:
    """MMAction2's parts as stgcn_8xb16-joint-u100-80e_ntu60-xsub-keypoint-3d.py puts them together."""

    @staticmethod
    @cache
    def pipeline(frames: int, test: bool) -> Any:
        from mmaction.datasets import transforms
        from mmengine.dataset import Compose

        sampling = {"num_clips": 1, "test_mode": True} if test else {}
        return Compose(
            [
                transforms.UniformSampleFrames(clip_len=frames, **sampling),
                transforms.PoseDecode(),
                transforms.FormatGCNInput(num_person=2),
            ]
        )

    @staticmethod
    def normalise(clip: dict) -> dict:
        """The transforms that do the same in each epoch, once."""
        from mmaction.datasets import transforms

        if "normalised" not in clip:
            results = {key: clip[key] for key in ("frame_dir", "label", "total_frames")}
            results = transforms.PreNormalize3D()(results | {"keypoint": clip["keypoint"].copy()})
            clip["normalised"] = transforms.GenSkeFeat(dataset="nturgb+d", feats=["j"])(results)
        return dict(clip["normalised"])

    @classmethod
    def load(cls, clips: list[dict], frames: int, *, test: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (N, M, T, V, C) in float32 and labels."""
        found = [cls.pipeline(frames, test)(cls.normalise(clip))["keypoint"][0] for clip in clips]
        labels = torch.tensor([clip["label"] for clip in clips])
        return torch.from_numpy(np.stack(found).astype(np.float32)), labels

    @staticmethod
    def optimizer(network: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, weight_decay=weight_decay, nesterov=True)


def batches(clips: list[dict], size: int) -> list[list[dict]]:
    return [clips[i : i + size] for i in range(0, len(clips), size)]


def train_published(
    name: str, train: list[dict], val: list[dict], seed: int, recipe: Any
) -> dict[str, list[tuple[int, float]]]:
    """The mean loss of each epoch, and top-1 of the test clips after it."""
    from mmengine.optim import CosineAnnealingLR

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  its transforms draw from the global one
    network = build(name, recipe.widths)
    optimizer = Published.optimizer(network, recipe.lr, recipe.weight_decay)
    steps = recipe.epochs * len(batches(train, recipe.batch_size))
    schedule = CosineAnnealingLR(optimizer, T_max=steps, eta_min=0, by_epoch=False)
    draws = np.random.RandomState(seed)  # the test pipeline seeds numpy again and again
    tests = [Published.load(batch, recipe.frames, test=True) for batch in batches(val, 50)]
    curve: Curves = {"loss": [], "top1": []}
    for epoch in range(1, recipe.epochs + 1):
        losses = []
        np.random.seed(draws.randint(2**31))  # noqa: NPY002
        network.train()
        for batch in batches([train[i] for i in torch.randperm(len(train))], recipe.batch_size):
            x, labels = Published.load(batch, recipe.frames, test=False)
            loss = nn.functional.cross_entropy(network(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        curve["loss"].append((epoch, float(np.mean(losses))))
        if epoch % recipe.validate_every == 0:
            curve["top1"].append((epoch, accuracy(network, tests)))
    return curve


@torch.no_grad()
def accuracy(network: nn.Module, tests: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    network.eval()
    hits = sum((network(x).argmax(1) == labels).sum().item() for x, labels in tests)
    return hits / sum(len(labels) for _, labels in tests)
