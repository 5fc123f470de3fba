"""Memory of a stream over many frames: `python -m tests.inference.long_stream --frames 1000000` (Linux)."""

import argparse
import os
import time
from pathlib import Path

import torch

import kinegraph as kg
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.events import EventRule
from kinegraph.inference.streaming.live import Live
from tests.inference.test_stream import recording, weights

AWAY, EVERY = 40, 5000  # frames without the person, once in so many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    frames = parser.parse_args().frames
    torch.set_num_threads(1)
    how = Preprocessing(people=1, normalize="image")
    known = weights(how, "coco17", scored=True, widths=(4,), kernel=3)
    clip = recording(1000, layout="coco17")
    stream = kg.Stream(known, fps=30, window=30, image_size=(1920, 1080), compare=False)
    live, begin, happenings = Live(stream, EventRule(0.3, 0.2, 6, 3), count=True), time.process_time(), 0
    for frame in range(frames):
        at = frame % 1000 if frame // 1000 % 2 == 0 else 999 - frame % 1000  # to and fro
        there = frame % EVERY >= AWAY
        happenings += len(live.push(clip.keypoint[:, at], clip.score[:, at]) if there else live.push(None))
        if frame in (1000, 10_000, frames - 1) or frame % 50_000 == 0:
            spent = 1e3 * (time.process_time() - begin) / (frame + 1)
            print(f"{frame:9,} frames  {megabytes():6.1f} MB  {spent:.2f} ms a frame  {happenings:,}", flush=True)


def megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
