"""What an exact stream in bfloat16 gains on this machine, and how far it is from float32: measured, as for clips."""

from functools import partial

import numpy as np
import torch
from jaxtyping import Float

from kinegraph.inference.predictor import Predictor
from kinegraph.models.layers.streaming import StreamedNetwork
from kinegraph.models.network import SkeletonNetwork, network_kind
from kinegraph.models.precision import slower_bf16
from kinegraph.models.quickest import quickest, shown

MOMENTS = 4  # that are computed to be measured


def in_bf16(
    predictor: Predictor, streamed: StreamedNetwork | None, people: int, window: int | None
) -> tuple[StreamedNetwork | None, str]:
    """The exact engine's network in bfloat16, and a line about what that changes; "" where nothing is to be said.

    streamed: None for the window engine, which computes clips of `window` frames under autocast.
    """
    if streamed is None:
        return None, slower_bf16(predictor.network, "answer", predictor.preprocessing.people, window)
    assert isinstance(predictor.network, SkeletonNetwork), "other networks have no exact engine"
    return streamed.cast(torch.bfloat16), _measured(predictor.network, streamed, people)


def _measured(network: SkeletonNetwork, streamed: StreamedNetwork, people: int) -> str:
    """A line: how many milliseconds a frame takes in both precisions, and how much the features differ."""
    frames = streamed.delay + MOMENTS * streamed.stride
    shape = (people, frames, streamed.joints, network.config["channels"])
    about = {"work": "a stream", "network": network_kind(network).__name__, "config": network.config, "frames": shape}
    about |= {"threads": torch.get_num_threads(), "device": str(streamed.scale.device)}
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(streamed.scale)
    ways = {"32-true": lambda: streamed, "bf16-mixed": lambda: streamed.cast(torch.bfloat16)}
    found = quickest(ways, partial(_features, x=x), about, np.inf).measured
    exact, rough = (found.milliseconds[name] / frames for name in ways)
    of = "one person" if people == 1 else f"{people} people"
    differs = f"the features differ by up to {found.differences['bf16-mixed']:.1g} of their spread"
    if rough < exact:
        return f"bf16-mixed: a frame of {of} takes {shown(rough)} instead of {shown(exact)}, and {differs}"
    return (
        f"bf16-mixed is slower than 32-true on this machine: a frame of {of} takes {shown(rough)} instead of "
        f"{shown(exact)}, and {differs}; leave --precision out"
    )


@torch.inference_mode()
def _features(streamed: StreamedNetwork, x: Float[torch.Tensor, "B n V C"]) -> Float[np.ndarray, "B m V D"]:
    state = streamed.start(len(x))
    made = [streamed(frame[:, None], state) for frame in x.unbind(1)]
    return torch.cat(made, 1).float().cpu().numpy()
