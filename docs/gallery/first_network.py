# %% [markdown]
# # First network
#
# Synthetic people sit down, stand up, wave and kick. A small network learns the four actions. No data to fetch, no GPU.
# (`kinegraph help synthesize` lists the numbers of the other actions.)

# %%
import kinegraph as kg
from kinegraph.synthetic.recordings import write_recordings

write_recordings("first/raw", clips=96, seed=0, actions=[8, 9, 23, 24], workers=1)
names = ["sitting down", "standing up (from sitting position)", "hand waving", "kicking something"]
dataset = kg.prepare("first/raw", "first/data", classes=names, workers=1, progress=False)
dataset

# %% [markdown]
# A dataset is a sequence of clips. A clip has the axes people, frames, joints, channels. In a notebook it is a player.

# %%
clip = dataset[0]
print(clip.name, dataset.class_names[clip.label], clip.keypoint.shape)
clip

# %% [markdown]
# "small_data_quick" is a recipe that comes with Kinegraph. A smaller network is quicker. The split `xsub` keeps some
# people for the test: the network has never seen them.

# %%
small = {"class_path": "kinegraph.models.stgcn.STGCN", "init_args": {"widths": [16, 32], "strides": [1, 2]}}
run = kg.train(
    "small_data_quick", dataset=dataset, split="xsub", model=small, epochs=16, work_dir="first/run", progress=False
)
tested = kg.test(run, out="first/test/result.pkl", progress=False)
print(f"top-1 {tested.top1:.0%}; four classes by chance: 25 %")
tested

# %% [markdown]
# What does it say of a clip of the test, and which joints does the answer rest on?

# %%
unseen = dataset[dataset.indices("xsub", "val")[0]]
print(kg.predict(run, unseen))
kg.draw(unseen, "first/strip.png", weights=run, explain=True, frames=6, progress=False)

# %% [markdown]
# ![A film strip with the answer and the importance of joints](img/first_network.png)
#
# A file that the network has not seen is asked about in the same way: one of `first/raw`, or one of yours with the same
# joints.

# %%
print(kg.predict(run, "first/raw/S001C001P001R001A008.skeleton"))

# %% [markdown]
# The page of the test has figures, the confusion matrix, and mistakes as players. It is one file, to be mailed or
# printed.

# %%
tested.report
