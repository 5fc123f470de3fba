# %% [markdown]
# # A video
#
# Kinegraph sees people in videos with MediaPipe, rtmlib or a function of yours. Here the function is ours, so that
# nothing has to be fetched: a bright dot in the picture is a wrist. Needs `pip install "kinegraph[draw,video]"`.

# %%
from fractions import Fraction

import av
import numpy as np

import kinegraph as kg

# %% [markdown]
# A video of two seconds: a bright dot goes round on black.

# %%
with av.open("round.mp4", "w") as film:
    stream = film.add_stream("libx264", rate=Fraction(25))
    stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
    rows, columns = np.mgrid[:240, :320]
    for turn in np.linspace(0, 2 * np.pi, 50):
        x, y = 160 + 70 * np.cos(turn), 120 + 70 * np.sin(turn)
        picture = 255 * (np.hypot(columns - x, rows - y) < 12)[..., None].repeat(3, axis=2).astype(np.uint8)
        film.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
    film.mux(stream.encode())


# %% [markdown]
# The function takes a picture and gives (people, joints, 3): x, y and a score for each joint. The body stands still in
# the middle of the picture.


# %%
def see(picture):
    layout = kg.load_layout("coco17").joints
    body = np.zeros((1, 17, 3))
    still = {"nose": (160, 40), "left_shoulder": (180, 80), "right_shoulder": (140, 80), "right_elbow": (120, 110)}
    still |= {"left_hip": (175, 160), "right_hip": (145, 160)}
    for joint, (x, y) in still.items():
        body[0, layout.index(joint)] = (x, y, 1)
    rows, columns = np.nonzero(picture.mean(axis=2) > 128)
    body[0, layout.index("right_wrist")] = (columns.mean(), rows.mean(), 1) if len(rows) else (0, 0, 0)
    return body


see.layout = "coco17"

# %%
(clip,) = kg.read("round.mp4", pose=see)
wrist = clip.keypoint[0, :, clip.layout.joints.index("right_wrist")]
print(f"{clip.frames} frames at {clip.fps:g} a second; the wrist goes round {wrist.mean(axis=0).round()}")
kg.draw(clip, "video_strip.png", frames=5, progress=False)

# %% [markdown]
# ![A film strip of a circle](img/video.png)
#
# With MediaPipe (`pip install "kinegraph[pose]"`): `kg.read("mine.mp4", pose="mediapipe")`, or in a terminal
# `kinegraph predict WEIGHTS mine.mp4`. [From a video](../video.md) says more.
