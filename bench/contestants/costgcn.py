"""CoST-GCN (Hedegaard, Heidari and Iosifidis 2022): ST-GCN whose convolutions over time take a frame at a time.

Built of the authors' library continual-inference, in an environment of its own (peers.sh): the graph convolution of
each frame, `co.Conv2d` over time, a delay around it, the mean of the latest frames. The strides are those of ST-GCN;
the variant CoST-GCN* has none, and costs more for a frame.
"""

from importlib.metadata import version

import continual as co
import torch
from contestants import torch_steps
from contestants.plain import Backbone, Block, Recognizer
from jobs import CLASSES, STREAMED, Job, batch
from torch import Tensor, nn


def prepare(job: Job) -> torch_steps.Step:
    if job.network != "stgcn" or not job.streamed:
        raise LookupError("CoST-GCN is measured in the rows of streams of ST-GCN only")
    state = torch_steps.load(job.weights)
    plain = Recognizer(Backbone(state["backbone.gcn.0.gcn.A"], plus=False))
    plain.load_state_dict(state)
    network = continual(plain.eval(), job.frames)
    frames = torch.from_numpy(batch(job)[0][:, 0])  # (B, T, V, C)
    frames = plain.backbone.data_bn(frames.permute(0, 2, 3, 1).flatten(1, 2)).unflatten(1, frames.shape[2:])
    frames = frames.permute(3, 0, 2, 1).contiguous()  # (T, B, C, V)
    number, logits = 0, torch.zeros(0)

    @torch.inference_mode()
    def push(count: int) -> Tensor:
        nonlocal number, logits
        for _ in range(count):
            answer = network.forward_step(frames[number % len(frames)])
            logits = answer if isinstance(answer, Tensor) else logits
            number += 1
        return logits

    push(2 * job.frames)
    return lambda: push(STREAMED)


def continual(plain: Recognizer, window: int) -> co.Sequential:
    """The network of a frame: (B, C, V) in, logits out where a moment is complete."""
    blocks = [of_block(block) for block in plain.backbone.gcn]
    head = co.Linear(plain.cls_head.fc.in_features, CLASSES, channel_dim=1)
    head.load_state_dict(plain.cls_head.fc.state_dict())
    over_joints = co.Lambda(lambda x: x.mean(-1), takes_time=True)
    return co.Sequential(*blocks, over_joints, co.AvgPool1d(window // 4, stride=1), head).eval()


def of_block(block: Block) -> co.CoModule:
    over_time = co.continual(block.tcn.conv)
    body = co.Sequential(co.Lambda(block.gcn, takes_time=True), over_time, co.forward_stepping(block.tcn.bn))
    relu = co.Lambda(torch.relu)
    if block.residual is None:
        return co.Sequential(body, relu)
    residual = [co.Delay(over_time.delay)]
    if not isinstance(block.residual, nn.Identity):
        residual += [co.continual(block.residual.conv), co.forward_stepping(block.residual.bn)]
    return co.Sequential(co.BroadcastReduce(co.Sequential(*residual), body, auto_delay=False), relu)


def versions() -> dict[str, str]:
    return {"continual-inference": version("continual-inference"), "torch": torch.__version__}
