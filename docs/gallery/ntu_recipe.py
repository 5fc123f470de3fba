# %% [markdown]
# # The recipe of NTU RGB+D
#
# From raw `.skeleton` files to the published recipe. With the real files only the path of the folder changes. Here the
# files are synthetic, and the recipe is cut short: the figure says nothing about people.

# %%
import kinegraph as kg
from kinegraph.synthetic.recordings import write_recordings

write_recordings("ntu/raw", clips=80, seed=0, actions=[8, 9, 23, 27], workers=1)

# %% [markdown]
# The dataset has all 60 class names of NTU RGB+D 60. The file names say subject and camera: the splits `xsub` and
# `xview` follow from them.

# %%
dataset = kg.prepare("ntu/raw", "ntu/data", workers=1, progress=False)
print(dataset.splits.keys(), len(dataset.class_names))

# %% [markdown]
# The published recipe has ten blocks, 80 epochs and 100 frames. On two cores we take a narrow network, 20 frames and
# a few epochs. With the data and a GPU leave out `model`, `preprocessing` and `epochs`.

# %%
narrow = {"class_path": "kinegraph.models.stgcn.STGCN", "init_args": {"widths": [16, 16, 32, 32]}}
run = kg.train("stgcn_80e_ntu60_xsub_keypoint_3d", dataset=dataset, model=narrow, epochs=10,
               preprocessing={"frames": 20}, workers=0, work_dir="ntu/run", progress=False)  # fmt: skip
print([round(loss, 2) for loss in run.metrics["loss"]])

# %% [markdown]
# The test leaves the result file that MMAction2's tools read, the tables, and pictures.

# %%
tested = kg.test(run, out="ntu/test/result.pkl", progress=False)
print(f"top-1 {tested.top1:.1%}, mean class {tested.mean_class:.1%}")

# %% [markdown]
# ![The confusion matrix of a training that was cut short](img/ntu_recipe.png)
#
# [Results](../results.md) has the figures of the complete recipe and how they are made.
