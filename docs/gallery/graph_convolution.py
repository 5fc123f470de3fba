# %% [markdown]
# # What a graph convolution sees
#
# A graph convolution adds up what is near in the skeleton. We look at the graph, do one by hand, and see where a
# network's evidence lies.

# %%
import numpy as np

import kinegraph as kg
from kinegraph.synthetic.recordings import write_recordings

# %% [markdown]
# The graph in three partitions: the joint itself, neighbours nearer to the centre, neighbours farther away. The last
# panel: the joints that one graph convolution mixes into the left elbow.

# %%
figure = kg.show_graph("ntu25", strategy="spatial_true", joint="left_elbow")
figure.savefig("graph.png", dpi=90)

# %% [markdown]
# ![The graph of 25 joints](img/graph_convolution.png)
#
# By hand: put a one at the left wrist, zeros elsewhere, and add over the graph. After each step the one has spread
# by one bone.

# %%
layout = kg.load_layout("ntu25")
A = np.asarray(kg.adjacency(layout, "spatial_true")).sum(axis=0)
signal = np.zeros(25)
signal[layout.joints.index("left_wrist")] = 1
for step in range(1, 4):
    signal = signal @ A
    print(step, [layout.joints[joint] for joint in np.flatnonzero(signal > 1e-9)])

# %% [markdown]
# Ten blocks reach the complete body: a late layer's evidence "at the wrist" has heard of the shoulder. A trained
# network shows where its evidence lies. Colours spread over what differs in this clip.

# %%
write_recordings("graph/raw", clips=72, seed=3, actions=[9, 23, 24], workers=1)
dataset = kg.prepare("graph/raw", "graph/data", workers=1, progress=False)
shallow = {"class_path": "kinegraph.models.stgcn.STGCN", "init_args": {"widths": [16, 32], "strides": [1, 2]}}
run = kg.train(
    "small_data_quick", dataset=dataset, split="xsub", model=shallow, epochs=8, work_dir="graph/run", progress=False
)
wave = next(clip for clip in dataset if dataset.class_names[clip.label] == "hand waving")
kg.draw(wave, "graph/why.png", weights=run.last, explain=True, frames=6, progress=False)

# %% [markdown]
# ![Where the evidence lies](img/evidence.png)
