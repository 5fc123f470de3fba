"""What a network learns to answer: one class for a clip, or classes for every frame of long recordings.

A task says what is computed of a batch, which share of it is right, and how the network is measured.
"""

from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from kinegraph.data.loading import ClipDataset
from kinegraph.data.windows import WindowDataset
from kinegraph.evaluation.metrics import evaluate
from kinegraph.evaluation.scoring import score_clips, score_frames
from kinegraph.evaluation.timelines import figures
from kinegraph.models.frames import FrameWise
from kinegraph.skeleton.segment import IGNORED
from kinegraph.training.losses import loss_of

VALIDATED = ("top_k_accuracy", "mean_class_accuracy")
STEP_LIMIT = 4.0  # of a change from frame to frame, beyond which the smoothing loss asks for no less


class Task(Protocol):
    """counted: what the figures of training count; measure: the name of the share that is right. For messages."""

    counted: str
    measure: str

    def module(self, network: nn.Module) -> nn.Module:
        """The network as it is called in training."""
        ...

    def loss(self, criterion: nn.Module, logits: Tensor, labels: Tensor) -> Tensor: ...

    def hits(self, logits: Tensor, labels: Tensor) -> Float[Tensor, "3"]:
        """Right answers, those among the five likeliest classes, and all answers."""
        ...

    def validate(self, fabric: Fabric, network: nn.Module, clips: Any, size: int, workers: int) -> dict[str, float]: ...


class ClipTask:
    """A class for each clip."""

    counted = "clips"
    measure = "top-1"

    def module(self, network: nn.Module) -> nn.Module:
        return network

    def loss(
        self, criterion: nn.Module, logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]
    ) -> Float[Tensor, ""]:
        return loss_of(criterion, logits, labels)

    def hits(self, logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]) -> Float[Tensor, "3"]:
        best5 = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
        return torch.stack([best5[:, 0].sum(), best5.sum(), torch.ones_like(labels).sum()]).double()

    def validate(
        self, fabric: Fabric, network: nn.Module, clips: ClipDataset, size: int, workers: int
    ) -> dict[str, float]:
        scores = score_clips(fabric, network, clips, len(clips.folder.class_names), size, workers)
        found = evaluate(scores, clips.label, VALIDATED)
        return found | {"loss": float(cross_entropy(torch.from_numpy(scores), torch.from_numpy(clips.label)))}


class FrameTask:
    """A class for each frame, or several.

    several: classes do not exclude each other. smoothing: weight of MS-TCN's smoothing loss, 0 for none.
    """

    counted = "frames"

    def __init__(self, several: bool, smoothing: float = 0.0):
        self.several, self.smoothing = several, smoothing
        self.measure = "labels right" if several else "frames right"  # a yes or no for each class, or the likeliest

    def module(self, network: nn.Module) -> nn.Module:
        return FrameWise(network)

    def loss(self, criterion: nn.Module, logits: Float[Tensor, "N T classes"], labels: Tensor) -> Float[Tensor, ""]:
        known = self._known(labels)
        loss = loss_of(criterion, logits[known], labels[known]) if known.any() else logits.sum() * 0
        return loss + self.smoothing * self._unsteadiness(logits, labels) if self.smoothing else loss

    def hits(self, logits: Float[Tensor, "N T classes"], labels: Tensor) -> Float[Tensor, "3"]:
        known = self._known(labels)
        logits, labels = logits[known], labels[known]
        if not self.several:
            return ClipTask().hits(logits, labels)
        right = ((logits > 0) == (labels > 0.5)).double().mean(1).sum()
        return torch.stack([right, right, known.sum().double()])

    def validate(
        self, fabric: Fabric, network: nn.Module, clips: WindowDataset, size: int, workers: int
    ) -> dict[str, float]:
        found = figures(score_frames(fabric, network, clips, size, workers)).flat()
        return {"top1": found.pop("frame_accuracy"), **found}

    def _known(self, labels: Tensor) -> Tensor:
        return ~labels.isnan().any(-1) if self.several else labels != IGNORED

    def _unsteadiness(self, logits: Float[Tensor, "N T classes"], labels: Tensor) -> Float[Tensor, ""]:
        """The mean squared change of log-probabilities from frame to frame, each at most STEP_LIMIT.

        Source: Farha and Gall 2019 (MS-TCN), equations 7 to 9; as there, no gradient goes to the earlier frame.
        """
        log = nn.functional.logsigmoid(logits.float()) if self.several else logits.float().log_softmax(-1)
        change = (log[:, 1:] - log[:, :-1].detach()).square().clamp(max=STEP_LIMIT**2)
        known = self._known(labels)
        both = known[:, 1:] & known[:, :-1]
        return change[both].mean() if both.any() else logits.sum() * 0
