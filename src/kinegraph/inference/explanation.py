"""Which joints and moments an answer rests on: class activation maps, exact because the head is linear.

The networks average what their last block says of every person, moment and joint, and the head is a linear map: so a
logit is a sum over persons, moments and joints, and each of them has its share. A share says where the evidence is in
the last block; there a joint also depends on its neighbours, and a moment on the moments around it.
Source: Zhou et al. 2016 (arXiv:1512.04150), section 2; the sum over the graph's joints in place of an image's pixels.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor, nn

from kinegraph.data.normalize import drop_empty_frames
from kinegraph.data.preprocessing import FIRST_FRAME, Preprocessing, prepare_clip
from kinegraph.data.windows import windows
from kinegraph.evaluation.scoring import view_scores
from kinegraph.inference.predictor import Predictor, answering, check_finite
from kinegraph.messages import first_few
from kinegraph.models.layers.absent import one_for_absent
from kinegraph.models.network import SkeletonNetwork, has_linear_head, network_kind
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import seen

# Quantiles of the evidence for an answer that are drawn as no and as full importance: deep layers share
# evidence nearly evenly between joints, and on a scale from zero all would look alike.
WEAK, STRONG = 0.05, 0.99


@torch.no_grad()
def activation_map(
    model: nn.Module,
    x: Float[Tensor, "N M T V C"],
    classes: Int[Tensor, "N"] | None = None,
    people: Int[Tensor, "N"] | None = None,
    *,
    contrast: bool = False,
) -> Float[Tensor, "N M S V"]:
    """What each person, moment and joint adds to a class's logit: over M, S and V it sums to the logit.

    model: a `SkeletonNetwork` in evaluation mode, with a linear `head`. classes: one a clip, by default the likeliest.
    people: how many bodies of each clip are real; it only saves time. contrast: shares of the logit's distance from
        the mean of all logits. What is added to all classes alike decides nothing, and is left out that way; so is what
        members of an ensemble say that see bodies as a whole: it stands at no joint.
    S is T over the network's strides; the bias is shared equally. Raises ValueError for another network.
    """
    _check_explainable(model)
    x = model.whole_clips(x)
    bodies = x.shape[1]
    x, place = x.flatten(0, 1), None
    if people is not None:
        x, place, _ = one_for_absent(x, people, bodies)
    features = model.forward_features(x)  # (B, S, V, D)
    if features.shape[2] != x.shape[2]:
        raise ValueError(
            f"{network_kind(model).__name__} cannot be explained: its forward_features returned shape "
            f"{tuple(features.shape)}, not features of each of the {x.shape[2]} joints; "
            "say keeps_places = False in the class"
        )
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    if classes is None:
        pooled = features.mean((1, 2))
        pooled = pooled if place is None else pooled[place]
        classes = model.head(pooled.unflatten(0, (-1, bodies)).mean(1)).argmax(1)
    weight, bias = model.head.weight, model.head.bias
    if contrast:
        weight, bias = weight - weight.mean(0), bias - bias.mean()
        for features_of_all in model.of_whole_bodies().values():
            weight[:, features_of_all] = 0
    features = (features if place is None else features[place]).unflatten(0, (-1, bodies))  # (N, M, S, V, D)
    said = torch.einsum("nmsvd,nd->nmsv", features, weight[classes]) + bias[classes, None, None, None]
    return model.by_person(said / said[0].numel())


def can_explain(model: nn.Module) -> bool:
    """Whether the logits of a network are a sum over people, moments and joints."""
    return has_linear_head(model) and getattr(model, "keeps_places", False)


def left_out(predictor: Predictor) -> str:
    """A line on the members of an ensemble whose part in the answers stands at no joint; "" where there are none."""
    network = answering(predictor.network)
    whole = list(network.of_whole_bodies()) if isinstance(network, SkeletonNetwork) else []
    return f"left out is what sees bodies as a whole: {first_few(whole)}" if whole else ""


def explainer(predictor: Predictor) -> Callable[..., Float[np.ndarray, "M T V"]] | None:
    """The function that computes the importance of joints in a clip; None where the network cannot be explained."""
    return partial(joint_importance, predictor) if can_explain(predictor.network) else None


def _check_explainable(model: nn.Module) -> None:
    """Raises ValueError where logits are no sum over people, moments and joints."""
    if not can_explain(model):
        raise ValueError(
            f"{network_kind(model).__name__} cannot be explained: its logits are no sum over people, moments and "
            "joints, as those of a SkeletonNetwork with a linear head are (kinegraph.models.network)"
        )


# ---- one clip, to be drawn -------------------------------------------------------------------------------------------


def joint_importance(predictor: Predictor, clip: SkeletonClip, label: int | None = None) -> Float[np.ndarray, "M T V"]:
    """How much each joint of a recorded clip speaks for a class at each time, from 0 to 1, to be drawn.

    label: the class, by default the answer. What speaks against it is 0, as are people and frames that the network
    does not look at. Of what speaks for it, the weakest twentieth is 0 and the strongest hundredth is 1: a scale
    of this clip, not to be compared with another's. Raises ValueError when the clip does not fit the network.
    """
    evidence = np.maximum(clip_evidence(predictor, clip, label), 0)
    if not evidence.any():
        return evidence
    weak, strong = np.quantile(evidence[evidence > 0], (WEAK, STRONG))
    weak = weak if strong > weak else 0.0  # all alike: all of full importance
    return np.clip((evidence - weak) / (strong - weak), 0, 1)


def clip_evidence(predictor: Predictor, clip: SkeletonClip, label: int | None = None) -> Float[np.ndarray, "M T V"]:
    """For each recorded person, frame and joint what it adds to a class's logit above the mean of all, or takes away.

    The network's moments are laid back on the frames they were made of, and the mean over its views is taken.
    Raises ValueError when the clip does not fit the network.
    """
    clip = predictor.fit(clip)
    _, maps = next(_batches(predictor, [clip], 1, label))
    times, order = frames_seen(clip, predictor.preprocessing)
    times = np.resize(times, (maps.shape[1], times.shape[1]))  # mirrored views look at the same frames
    found = np.zeros(clip.keypoint.shape[:3], np.float32)
    for view, at in zip(maps[0], times, strict=True):
        for person, said in zip(order, view, strict=False):
            found[person] += _on_recorded(_stretched(said, len(at)), at, clip.frames) / len(times)
    return found * seen(clip.keypoint).any(2, keepdims=True)


def frames_seen(clip: SkeletonClip, preprocessing: Preprocessing) -> tuple[Float[np.ndarray, "views F"], list[int]]:
    """The recorded frame behind each of a network's frames in its unmirrored views, NaN where it sees zeros; fractions
    between two frames. And which recorded person is its first, second ...

    A clip whose coordinates are its frame numbers goes the way of all clips, so no rule of sampling is written twice.
    """
    frames, order = np.arange(clip.frames), list(range(min(clip.people, preprocessing.people)))
    if preprocessing.normalize in FIRST_FRAME:  # they drop frames, and the person seen most often comes first
        there = seen(clip.keypoint[: max(2, preprocessing.people)]).any(2)
        codes = np.where(there, 1 + np.arange(there.size).reshape(there.shape), 0)
        kept = drop_empty_frames(codes[..., None, None].astype(np.float64)).astype(np.int64)[..., 0, 0]
        if kept.any():
            order = [int(row.max() - 1) // clip.frames for row in kept if row.any()][: preprocessing.people]
            frames = (kept.max(0) - 1) % clip.frames
    numbers = np.broadcast_to((frames + 1.0)[None, :, None, None], (1, len(frames), *clip.keypoint.shape[2:]))
    ramp = replace(clip, keypoint=numbers.astype(np.float32), score=None)
    plain = replace(preprocessing, normalize="none", streams=("joint",), min_score=None, test_mirror=False, people=1)
    times = prepare_clip(ramp, plain)[:, 0, :, 0, 0].astype(np.float64) - 1
    return np.where(times < 0, np.nan, times), order


def _stretched(said: Float[np.ndarray, "S V"], frames: int) -> Float[np.ndarray, "F V"]:
    """A map of the last block's moments on the network's frames: moment s stands at frame s · F / S."""
    steps = len(said)
    return _between(np.arange(steps) * frames / steps, said, np.arange(frames))


def _on_recorded(
    said: Float[np.ndarray, "F V"], times: Float[np.ndarray, "F"], frames: int
) -> Float[np.ndarray, "T V"]:
    """The mean of what is said at a recorded frame; between frames that were looked at linear, outside of them 0."""
    looked = ~np.isnan(times)
    before = np.floor(times[looked]).astype(np.int64)
    share = times[looked] - before
    total, weight = np.zeros((frames, said.shape[1])), np.zeros(frames)
    for frame, part in ((before, 1 - share), (np.minimum(before + 1, frames - 1), share)):
        np.add.at(total, frame, part[:, None] * said[looked])
        np.add.at(weight, frame, part)
    known = np.flatnonzero(weight > 1e-6)
    if not len(known):
        return total
    result = _between(known, total[known] / weight[known, None], np.arange(frames))
    result[: known[0]], result[known[-1] + 1 :] = 0, 0
    return result


def _between(
    at: Real[np.ndarray, "n"], values: Float[np.ndarray, "n V"], wanted: Real[np.ndarray, "m"]
) -> Float[np.ndarray, "m V"]:
    """Values at rising places -> values at wanted places, linear between, constant outside."""
    return np.stack([np.interp(wanted, at, column) for column in values.T], axis=1)


# ---- many clips, to be counted ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class JointShares:
    """Of the evidence for the answers, the share of each joint; rows sum to 1.

    answers: the class that each clip was given. shares: one row per clip.
    """

    joints: tuple[str, ...]
    class_names: tuple[str, ...]
    answers: Int[np.ndarray, "N"]
    shares: Float[np.ndarray, "N V"]

    @property
    def overall(self) -> Float[np.ndarray, "V"]:
        """The mean over all clips."""
        return self.shares.mean(axis=0)

    def of_class(self, label: int) -> Float[np.ndarray, "V"]:
        """The mean over the clips that were given this class; NaN where there are none."""
        chosen = self.shares[self.answers == label]
        return chosen.mean(axis=0) if len(chosen) else np.full(len(self.joints), np.nan)


def joint_shares(predictor: Predictor, clips: Iterable[SkeletonClip], batch_size: int = 32) -> JointShares:
    """For each clip: of all that speaks for its answer, over real people and all time, the share of each joint.

    clips: that fit (`Predictor.fit`). Of a network that answers for every frame the windows of a recording, which lie
    side by side, count as clips. Raises ValueError where there are none.
    """
    answers, shares = [], []
    frames = predictor.preprocessing.frames
    parts = (part for clip in clips for part in windows(clip, frames)) if predictor.of_frames else clips
    for labels, maps in _batches(predictor, parts, batch_size):
        spoken = maps.clip(min=0).sum(axis=(1, 2, 3))  # (N, V)
        total = spoken.sum(axis=1, keepdims=True)
        answers.append(labels)
        shares.append(np.where(total > 0, spoken / np.where(total > 0, total, 1), 1 / spoken.shape[1]))
    if not answers:
        raise ValueError("there are no clips to explain")
    names = predictor.layout.joints, predictor.class_names
    return JointShares(*names, np.concatenate(answers), np.concatenate(shares))


@torch.no_grad()
def _batches(
    predictor: Predictor, clips: Iterable[SkeletonClip], batch_size: int, label: int | None = None
) -> Iterator[tuple[Int[np.ndarray, "N"], Float[np.ndarray, "N views M S V"]]]:
    """Answers (or `label`) and contrast maps; absent people are 0, mirrored views turned back."""
    network, preprocessing, clips = answering(predictor.network), predictor.preprocessing, iter(clips)
    weight = next(network.parameters())
    while batch := list(islice(clips, min(batch_size, preprocessing.largest_batch))):
        views = torch.from_numpy(np.stack([prepare_clip(clip, preprocessing) for clip in batch]))
        views = views.to(weight.device, weight.dtype)  # (N, W, M, F, V, C)
        count = views.shape[1]
        people = torch.tensor([min(clip.people, preprocessing.people) for clip in batch], device=weight.device)
        if label is None:
            check_finite(scores := view_scores(network, views, people))
            labels = scores.argmax(1)
        else:
            labels = torch.full((len(batch),), label, device=weight.device)
        repeated = labels.repeat_interleave(count), people.repeat_interleave(count)
        maps = activation_map(network, views.flatten(0, 1), *repeated, contrast=True).unflatten(0, (-1, count))
        there = torch.arange(maps.shape[2], device=weight.device) < people[:, None]  # (N, M)
        maps = (maps * there[:, None, :, None, None]).double().cpu().numpy()
        if preprocessing.test_mirror:
            turned = maps[:, count // 2 :]
            maps[:, count // 2 :] = turned[..., predictor.layout.mirrored()]
        yield labels.cpu().numpy(), maps
