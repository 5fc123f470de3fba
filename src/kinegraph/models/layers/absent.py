"""From clips to the bodies in them and back: a network sees bodies, one apart from another."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.models.layers.blocks import picked
from kinegraph.models.layers.threads import each, workers

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
MULTIPLE = {"cuda": 16}  # of bodies: for every number of them a GPU chooses its kernels anew


def clip_logits(
    model: nn.Module, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None, at_once: int | None = None
) -> Float[Tensor, "N classes"]:
    """head(mean over people, time and joints of model.forward_features), absent people counted like real ones.

    people: how many bodies of each clip are real, the first ones. Of the others those that look like the first of them
        (they do: padding) are computed as one body that stands for all, to the same logits, gradients and statistics.
        Not in training with dropout, which makes them differ, nor of a network that does not take `copies`.
    at_once: compute so many bodies at once, not all, see `in_parts`; only outside training, where bodies do not touch.
    """
    return model.head(clip_vectors(model, x, people, at_once))


def clip_vectors(
    model: nn.Module, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None, at_once: int | None = None
) -> Float[Tensor, "N D"]:
    """What the head of a network sees of each clip; arguments as for `clip_logits`."""
    bodies = _bodies(model, x, people)
    features = partial(mean_features, model, copies=bodies.copies)
    y = features(bodies.x) if at_once is None else in_parts(features, bodies.x, at_once)  # (B, D)
    return bodies.of_clips(y).mean(1)


def frame_logits(
    model: nn.Module, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None
) -> Float[Tensor, "N T classes"]:
    """head(mean over people and joints of model.forward_features) of each frame; their mean over time is `clip_logits`.

    Where the network's strides leave fewer moments than frames, frames between two moments lie on the line between.
    """
    bodies = _bodies(model, x, people)
    features = model.forward_features(bodies.x) if bodies.copies == 1 else model.forward_features(*bodies[:2])
    y = features.mean(2, dtype=torch.promote_types(features.dtype, torch.float32))  # (B, S, D)
    return between_moments(model.head(bodies.of_clips(y).mean(1)), x.shape[2])


def between_moments(y: Float[Tensor, "N S D"], frames: int) -> Float[Tensor, "N T D"]:
    """Moments at equal distances, the first at the first frame, brought to every frame on straight lines."""
    moments = y.shape[1]
    if moments == frames:
        return y
    place = torch.arange(frames, device=y.device) * (moments / frames)
    before = place.long().clamp(max=moments - 1)
    share = (place - before).to(y.dtype)[:, None]
    return torch.lerp(picked(y, before, 1), picked(y, (before + 1).clamp(max=moments - 1), 1), share)


def clip_logits_and_loss(
    model: nn.Module, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None, labels: Int[Tensor, "N"]
) -> tuple[Float[Tensor, "N classes"], Float[Tensor, ""]]:
    """`clip_logits`, and the loss that a network brings of its own."""
    bodies = _bodies(model, x, people)
    y, more = model.features_and_more(bodies.x) if bodies.copies == 1 else model.features_and_more(*bodies[:2])
    logits = model.head(bodies.of_clips(_mean(y)).mean(1))
    return logits, model.own_loss(bodies.of_clips(more), logits.detach(), labels)


class _Bodies(NamedTuple):
    """Bodies to compute, for how many the last one stands while training, and which is whose: see `one_for_absent`."""

    x: Float[Tensor, "B T V C"]
    copies: int
    place: Int[Tensor, "NM"] | None
    people: int

    def of_clips(self, y: Float[Tensor, "B ..."]) -> Float[Tensor, "N M ..."]:
        """What was computed for each body of each clip."""
        return (y if self.place is None else picked(y, self.place)).unflatten(0, (-1, self.people))


def _bodies(model: nn.Module, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None) -> _Bodies:
    check_input(model, x)
    x = model.whole_clips(x)
    M = x.shape[1]
    x = x.flatten(0, 1)  # (N M, T, V, C)
    place, copies = None, 1
    if people is not None and not (model.training and (not model.takes_copies or drops_out(model))):
        x, place, copies = one_for_absent(x, people, M)
    return _Bodies(x, copies if model.training else 1, place, M)


def clip_features(model: nn.Module, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N P S W D"]:
    """What the last block says of each person, moment and joint; their mean through `head` gives the logits.

    P people and W joints: M and V, but of a network whose `whole_clips` arranges them otherwise.
    """
    check_input(model, x)
    x = model.whole_clips(x)
    return model.forward_features(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def mean_features(model: nn.Module, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B D"]:
    """Mean over time and joints of what the last block says, at least in float32."""
    return _mean(model.forward_features(x) if copies == 1 else model.forward_features(x, copies))


def _mean(y: Float[Tensor, "B S V D"]) -> Float[Tensor, "B D"]:
    return y.mean((1, 2), dtype=torch.promote_types(y.dtype, torch.float32))


def drops_out(model: nn.Module) -> bool:
    """Whether any layer of a network draws random numbers while training."""
    return any(isinstance(layer, DROPOUTS) and layer.p > 0 for layer in model.modules())


def in_parts(function: Callable[[Tensor], Tensor], x: Float[Tensor, "B ..."], at_once: int) -> Float[Tensor, "B ..."]:
    """function(x) of at_once rows at a time, without gradients; each thread of a CPU computes rows of its own."""
    count = max(1, min(workers(x.device), len(x)))
    rounds = -(-len(x) // (at_once * count))
    return torch.cat(each(function, x.tensor_split(max(1, min(rounds * count, len(x))))))


def one_for_absent(
    x: Float[Tensor, "NM T V C"], people: Int[Tensor, "N"], bodies: int
) -> tuple[Float[Tensor, "B T V C"], Int[Tensor, "NM"] | None, int]:
    """The bodies to compute, which of them each body of x is (None: itself), and how many the last one stands for.

    bodies: M, of each clip. A GPU is waited for once, and gets some absent bodies as well, to a MULTIPLE.
    """
    real = (torch.arange(bodies, device=x.device) < people.to(x.device)[:, None]).flatten()  # (N M)
    absent = x.index_select(0, real.int().argmin().view(1))
    computed = real | (x != absent).flatten(1).any(1)  # one who is not like the others is computed as well
    multiple = MULTIPLE.get(x.device.type, 1)
    kept = -(-(int(computed.sum()) + 1) // multiple) * multiple - 1
    copies = len(x) - kept
    if copies < 2:
        return x, None, 1
    order = (~computed).int().argsort(stable=True)
    place = order.argsort().clamp(max=kept)
    return torch.cat((x[order[:kept]], absent)), place, copies


def check_input(model: nn.Module, x: Tensor) -> None:
    """Raises ValueError when clips are not what a network was built for."""
    if not isinstance(x, Tensor) or x.ndim != 5 or 0 in x.shape:
        found = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise ValueError(
            f"the network takes a tensor (clips, people, frames, joints, channels), found {found}; a recording is for "
            "kg.predict(model, clip)"
        )
    for axis, what, built in ((3, "joints", model.A.shape[1]), (4, "channels", model.config["channels"])):
        if x.shape[axis] != built:
            raise ValueError(
                f"the network was built for {built} {what}, the clips have {x.shape[axis]}; a recording is for "
                "kg.predict(model, clip)"
            )
