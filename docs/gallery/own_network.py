# %% [markdown]
# # Your own network
#
# A network of your own is a Python file with a class. Training, weights files, predictions and explanations work
# with it.

# %%
from pathlib import Path

import kinegraph as kg
from kinegraph.synthetic.recordings import write_recordings

NETWORK = '''
import torch
from torch import nn

from kinegraph.models.layers.blocks import scale_joints
from kinegraph.models.stgcn import STGCN


class JointAttention(nn.Module):
    """Multiply each joint by a weight between 0 and 2, which follows from its mean over time."""

    def __init__(self, width):
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x):  # (B, T, V, C)
        return x * (1 + torch.tanh(self.score(x.mean(1, keepdim=True))))


class AttentionNet(STGCN):
    """ST-GCN with attention after each block."""

    def __init__(self, adjacency, channels, classes, widths=(16, 32), strides=(1, 2)):
        super().__init__(adjacency, channels, classes, widths=widths, strides=strides)
        self.attention = nn.ModuleList(JointAttention(width) for width in widths)

    def forward_features(self, x, copies=1):  # (B, T, V, C) -> (B, S, V, D)
        x = scale_joints(self.data_norm, x, copies)
        for block, attention in zip(self.blocks, self.attention):
            x = attention(block(x, self.A, copies))
        return x
'''
Path("mynet.py").write_text(NETWORK)

# %%
write_recordings("own_network/raw", clips=96, seed=2, actions=[8, 9, 23, 24], workers=1)
dataset = kg.prepare("own_network/raw", "own_network/data", workers=1, progress=False)

# %% [markdown]
# The class is named as FILE.NAME. `plugins` says which files may be run: a weights file alone never runs one.

# %%
run = kg.train("small_data_quick", dataset=dataset, split="xsub", plugins=["mynet.py"], epochs=12,
               model={"class_path": "mynet.AttentionNet", "init_args": {"widths": [16, 32]}},
               work_dir="own_network/run", progress=False)  # fmt: skip
tested = kg.test(run, out="own_network/test/result.pkl", plugins=["mynet.py"], progress=False)
print(f"top-1 {tested.top1:.0%}")

# %% [markdown]
# Which joints speak for its answers: the head is linear, so `--explain` works with it too.

# %%
clip = dataset[dataset.indices("xsub", "val")[0]]
kg.draw(clip, "own_network/why.png", weights=run.last, plugins=["mynet.py"], explain=True, frames=6, progress=False)

# %% [markdown]
# ![A film strip with the importance of joints](img/own_network.png)
#
# [Your own network](../own_network.md) shows your own graph, loss and callbacks as well.
