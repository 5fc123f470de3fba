# %% [markdown]
# # Your own CSV
#
# A table with a row for each joint in each frame becomes a dataset, a network and an answer.

# %%
import csv
from pathlib import Path

import numpy as np

import kinegraph as kg

# %% [markdown]
# We write such a table: ten people raise the left or the right wrist, in pixels of a camera. Your table has the same
# columns; [Your own recordings](../own_data.md#the-columns-of-a-table) lists all that are known.

# %%
rng, layout = np.random.default_rng(0), kg.load_layout("coco17")
# nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; of each pair first the left one
ACROSS = [300, 308, 292, 316, 284, 330, 270, 345, 255, 350, 250, 320, 280, 322, 278, 323, 277]
DOWN = [100, 92, 92, 96, 96, 150, 150, 205, 205, 255, 255, 260, 260, 340, 340, 420, 420]
BODY = np.stack([ACROSS, DOWN], axis=1).astype(float)
Path("own").mkdir(exist_ok=True)
with open("own/moves.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["clip", "frame", "joint", "x", "y", "label", "subject", "split"])
    for number in range(60):
        side, subject = ("left", "right")[number % 2], number // 6
        body = BODY + rng.normal(0, 4, (17, 2)) + rng.normal(0, 40, 2)
        for frame in range(20):
            for joint, (x, y) in zip(layout.joints, body + rng.normal(0, 2, (17, 2)), strict=True):
                y -= 8 * frame * (joint == f"{side}_wrist")
                split = "val" if subject > 7 else "train"
                table.writerow([f"m{number}", frame, joint, f"{x:.1f}", f"{y:.1f}", f"raise {side}", subject, split])

# %% [markdown]
# First look for mistakes in it, then prepare it. The layout names the joints; pixels need the size of the picture.

# %%
print(kg.inspect("own/moves.csv", layout="coco17"))
dataset = kg.prepare("own/moves.csv", "own/data", layout="coco17", image_size="640x480", fps=25, progress=False)
print(dataset.class_names, dataset.splits)

# %%
small = {"class_path": "kinegraph.models.stgcn.STGCN", "init_args": {"widths": [16, 32]}}
split = next(iter(dataset.splits))
augment = {"augment": {"rotation": [0.0, 0.0, 0.1], "scale": 0.1}}  # no mirror: left and right are different classes
run = kg.train("small_data_quick", dataset=dataset, split=split, model=small, preprocessing=augment, epochs=20,
               work_dir="own/run", progress=False)  # fmt: skip
print(f"top-1 of people that the training has not seen: {kg.test(run, progress=False).top1:.0%}")

# %%
clip = dataset["m59"]
print(kg.predict(run.model, clip))
kg.draw(clip, "own/strip.png", weights=run.last, frames=5, progress=False)

# %% [markdown]
# ![A film strip of a raised wrist](img/own_csv.png)
