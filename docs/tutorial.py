# %% [markdown]
# # Tutorial: from recordings to answers
#
# Synthetic people sit down, stand up, wave and jump. A small network learns to tell the four apart, and we look at
# what it says and why. It takes about 15 seconds of one processor core, no data to fetch and no GPU.
#
# `docs/tutorial.py` is a script and a notebook: `python docs/tutorial.py` runs it as a whole, editors that know such
# cells piece by piece. Everything is written into a new folder `tutorial/`; to start again, remove it.

# %%
import shlex
from pathlib import Path

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.inference.explanation import joint_importance
from kinegraph.inference.predictor import predictor_of


def kinegraph(command: str) -> None:
    """`kinegraph ...` as in a terminal. In a notebook, `!kinegraph ...` does the same."""
    if main(shlex.split(command)) != 0:
        raise SystemExit(f"stopped at: kinegraph {command}")


# %% [markdown]
# ## Recordings
#
# 240 raw files as a Kinect v2 writes them for NTU RGB+D: 25 joints in metres, 30 times a second, of 40 subjects. They
# come from a kinematic model of a human with noise and dropped frames. They show the path, and prove nothing about
# people.
#
# `prepare` reads them into a dataset folder: one memory-mapped array, a table with one row per clip, and what is known
# about both. Subjects are divided as NTU RGB+D's authors did (split `xsub`): nobody is in both parts.

# %%
kinegraph("synthesize tutorial/raw --clips 240 --actions 8 9 23 27 --workers 1")
kinegraph("prepare tutorial/raw tutorial/dataset --workers 1")

# %% [markdown]
# Before training it is worth a second to ask what is wrong with the data. Here, nothing is. (There are sixty class
# names because NTU RGB+D has sixty classes; four of them are recorded here.)

# %%
kinegraph("inspect tutorial/dataset")

# %% [markdown]
# In Python a dataset is a sequence of clips. Axes are always people, frames, joints, channels (M T V C).

# %%
dataset = kg.open_dataset("tutorial/dataset")
unseen = dataset.indices("xsub", "val")
clip = dataset[unseen[0]]
print(f"{len(dataset)} clips, {len(unseen)} of them by subjects that training will not see")
print(f"{clip.name}: {dataset.class_names[clip.label]}, {clip.keypoint.shape}, {clip.fps:g} frames a second")

# %% [markdown]
# ## A network
#
# A config is a call of `kinegraph train` written down; `kinegraph train --help` explains every key. The network sees
# joints and their motion, turned to the front, resampled to 24 frames, and in each epoch a little differently.

# %%
CONFIG = """
dataset: tutorial/dataset
split: xsub
model:
  class_path: kinegraph.models.stgcn.STGCN
  init_args: {widths: [16, 32, 32], strides: [1, 2, 1], edges: learned}
preprocessing:
  people: 1
  normalize: facing
  streams: [joint, joint_motion]
  sampling: resample
  frames: 24
  augment: {rotation: [0.1, 0.3, 0.1], scale: 0.1, crop: 0.8}
optimizer:
  class_path: torch.optim.AdamW
  init_args: {lr: 8.0e-3, weight_decay: 0.05}
schedule: {kind: cosine, warmup: 0.1}
epochs: 8
batch_size: 16
validate: false
"""
Path("tutorial/config.yaml").write_text(CONFIG.lstrip(), encoding="utf-8")
kinegraph("train tutorial/config.yaml --work-dir tutorial/run")

# %% [markdown]
# ## How good is it
#
# `test` measures it on the other subjects and leaves a page: accuracy with its uncertainty, the confusion matrix, the
# worst mistakes playing. Open `tutorial/test/report.html`.

# %%
WEIGHTS = "tutorial/run/checkpoints/last.safetensors"
kinegraph(f"test tutorial/config.yaml {WEIGHTS} --out tutorial/test/result.pkl")

# %% [markdown]
# ## Asking it
#
# A weights file knows its joints, its classes and how clips are prepared, so it can be asked about a raw file as it
# is.

# %%
recording = f"tutorial/raw/{clip.name}.skeleton"
kinegraph(f"predict {WEIGHTS} {recording}")

# %% [markdown]
# The same in Python, where a clip may also be a plain array (T, V, C) or (M, T, V, C). `kg.optimize` makes the
# network quick for many clips; it computes the same.

# %%
model = kg.load_model(WEIGHTS)
prediction = kg.predict(model, clip)
print(prediction)
print(kg.predict(kg.optimize(model), clip.keypoint).top(3))

right = [kg.predict(model, dataset[i]).label == dataset.label[i] for i in unseen[:30]]
print(f"{sum(right)} of {len(right)} unseen clips are right")

# %% [markdown]
# ## Looking at it
#
# A film strip with the answer below, and a page that plays the clip, to turn and to zoom. With `--explain` joints
# swell where they speak for the answer.

# %%
kinegraph(f"draw {recording} tutorial/strip.png --weights {WEIGHTS} --frames 6")
kinegraph(f"draw {recording} tutorial/player.html --weights {WEIGHTS} --explain")

# %% [markdown]
# ## Which joints it goes by
#
# The head behind the last block is linear, so a logit is a sum with a share for each person, moment and joint: the
# map below is exact. Over a whole split, `explain` tells each joint's share. Shares are often close to even
# (`docs/reports.md` says why): hints, not causes.

# %%
kinegraph(f"explain {WEIGHTS} tutorial/dataset --split xsub --out tutorial/joints.csv")

# %%
importance = joint_importance(predictor_of(model), clip)  # (M, T, V), 0 to 1
loudest = importance.mean(axis=(0, 1)).argsort()[::-1][:3]
print(f"{prediction.class_name}: most at", ", ".join(clip.layout.joints[joint] for joint in loudest))

# %% [markdown]
# ## From here
#
# * Your own recordings: [own_data.md](own_data.md). A table with one row per joint is enough.
# * NTU RGB+D: `kinegraph prepare path/to/nturgb+d_skeletons data/ntu60` and a config of [recipes.md](recipes.md).
# * Trained weights to start from: [transfer.md](transfer.md).
