# %% [markdown]
# # Fusion
#
# One network sees the joints, another the bones. Their probabilities are added up.

# %%
import kinegraph as kg
from kinegraph.cli import main
from kinegraph.synthetic.recordings import write_recordings

write_recordings("fusion/raw", clips=96, seed=1, actions=[8, 9, 23, 24], workers=1)
dataset = kg.prepare("fusion/raw", "fusion/data", workers=1, progress=False)

# %% [markdown]
# The same recipe twice, with another stream.

# %%
small = {"class_path": "kinegraph.models.stgcn.STGCN", "init_args": {"widths": [16, 32], "strides": [1, 2]}}
runs, tests = {}, {}
for stream in ("joint", "bone"):
    runs[stream] = kg.train("small_data_quick", dataset=dataset, split="xsub", model=small, epochs=12,
                            preprocessing={"streams": [stream]}, work_dir=f"fusion/{stream}",
                            progress=False)  # fmt: skip
    tests[stream] = kg.test(runs[stream], out=f"fusion/test_{stream}/result.pkl", progress=False)
    print(f"{stream}: top-1 {tests[stream].top1:.0%}")

# %% [markdown]
# `fuse` matches the clips by name and adds the probabilities. `--search` finds weights on another part of the split.

# %%
results = [f"fusion/test_{stream}/result.pkl" for stream in runs]
main(["fuse", *results, "--data", "fusion/data", "--split", "xsub", "--part", "val", "--out", "fusion/both/result.pkl"])

# %% [markdown]
# A page compares them: which classes gain, which clips only one of them gets right, and whether the difference is more
# than chance.

# %%
print(kg.report(runs["joint"], runs["bone"], out="fusion/compare.html", progress=False))

# %% [markdown]
# ![The confusion matrix of both](img/fusion.png)
