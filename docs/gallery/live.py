# %% [markdown]
# # Live
#
# A stream takes frames one by one and answers for each person while it happens.

# %%
import numpy as np
from matplotlib.figure import Figure

import kinegraph as kg

# %% [markdown]
# Clips to learn from: a stick figure waves or bends its knees, in pixels.

# %%
rng, layout = np.random.default_rng(0), kg.load_layout("coco17")
joints = layout.joints
# nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; of each pair first the left one
ACROSS = [300, 308, 292, 316, 284, 330, 270, 345, 255, 350, 250, 320, 280, 322, 278, 323, 277]
DOWN = [100, 92, 92, 96, 96, 150, 150, 205, 205, 255, 255, 260, 260, 340, 340, 420, 420]
BODY = np.stack([ACROSS, DOWN], axis=1).astype(float)


def moves(name, frames, phase=0.0):
    x = BODY + rng.normal(0, 1.5, (frames, 17, 2))
    swing = np.sin(2 * np.pi * (np.arange(frames) / 25 + phase))
    if name == "wave":
        x[:, joints.index("right_wrist")] += np.stack([40 * swing, np.full(frames, -150)], axis=1)
    elif name == "squat":
        x[:, :13, 1] += 40 * (1 - np.abs(swing))[:, None]
    return x.astype(np.float32)


names = ["stand", "wave", "squat"]
clips = [
    kg.SkeletonClip(moves(names[i % 3], 50, i / 7), "coco17", name=f"c{i}", label=i % 3, fps=25, image_size=(640, 480),
                    splits={"half": "val" if i >= 72 else "train"})
    for i in range(90)
]  # fmt: skip
dataset = kg.write_dataset("live/data", clips, layout="coco17", class_names=names, units="px", source="made up")

# %% [markdown]
# `sampling: pad` and `normalize: image` look back only, so the stream computes each frame once and exactly.

# %%
run = kg.train("small_data_quick", dataset=dataset, split="half", epochs=30, from_data=[],
               model={"class_path": "kinegraph.models.stgcn.STGCN", "init_args": {"widths": [16, 32]}},
               preprocessing={"people": 1, "normalize": "image", "streams": ["joint", "joint_motion"],
                              "sampling": "pad", "frames": 50, "test_mirror": False, "augment": {}},
               work_dir="live/run", progress=False)  # fmt: skip

# %%
stream = kg.Stream(str(run.last), fps=25, people=1, image_size=(640, 480))
print(stream.engine, f"an answer comes {stream.delay} frames later")
course = []
for pose in np.concatenate([moves(name, 100) for name in ("stand", "wave", "stand", "squat")]):
    for answer in stream.push([pose]):
        course.append((answer.frame, answer.prediction.probabilities))

# %% [markdown]
# The probabilities over time: each movement lasts four seconds.

# %%
figure = Figure(figsize=(8, 2.6), layout="constrained")
axes = figure.subplots()
frames, shares = zip(*course, strict=True)
for label, name in enumerate(names):
    axes.plot(np.array(frames) / 25, np.array(shares)[:, label], label=name)
axes.set(xlabel="seconds", ylabel="probability")
figure.legend(loc="outside right upper")
figure.savefig("live/course.png", dpi=80)

# %% [markdown]
# ![Probabilities of three classes over 16 seconds](img/live.png)
#
# In a terminal: `kinegraph stream live/run 0` for a camera, `kinegraph serve live/run` for a page.
# [While it happens](../live.md) says more.
