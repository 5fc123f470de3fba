"""A clip as an MP4 or GIF: every frame drawn as the player draws it, with time and answers below."""

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.transforms import Bbox

from kinegraph.atomic import atomic_file, write_atomic
from kinegraph.messages import shortened
from kinegraph.report.colours import LIGHT, Theme
from kinegraph.report.drawing import (
    Panel,
    blank,
    draw_bars,
    draw_ground,
    draw_heat,
    draw_people,
    draw_picture,
    draw_ribbon,
    draw_sides,
    fill,
    part,
    pixels,
    write,
)
from kinegraph.report.film_strip import caption
from kinegraph.report.scene import Scene
from kinegraph.report.stage import stage_of

EDGE = 22
HEAD = 64  # height of the heading, where it is not to hide what was filmed
BARS = 3 * 22  # height of the answers
CLOCK = 84  # width of the time
START = {"movflags": "faststart"}  # plays before it is loaded whole
GIF_FPS = 20.0  # browsers show faster ones slower

Frames = Iterator[UInt8[np.ndarray, "H W 3"]]


def write_mp4(
    path: Path,
    scene: Scene,
    *,
    width: int = 960,
    height: int = 720,
    theme: Theme = LIGHT,
    speed: float = 1.0,
    done: Callable[[int], None] = lambda frames: None,
) -> None:
    """Write H.264, which every player and browser shows. width, height: made even. done: takes the frames drawn.

    Raises ValueError where PyAV is not installed.
    """
    check_mp4()
    import av

    width, height = width + width % 2, height + height % 2
    rate = Fraction(scene.rate * speed).limit_denominator(1001)
    with atomic_file(path) as unfinished, av.open(str(unfinished), "w", format="mp4", options=START) as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for count, image in enumerate(moving(scene, width, height, theme, range(scene.clip.frames)), start=1):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            done(count)
        file.mux(stream.encode())


def check_mp4() -> None:
    """Raises ValueError where PyAV is not installed."""
    if find_spec("av") is None:
        raise ValueError('an .mp4 needs PyAV: pip install "kinegraph[draw]"; .gif, .html and .png do not')


def write_gif(
    path: Path,
    scene: Scene,
    *,
    width: int = 640,
    height: int = 480,
    theme: Theme = LIGHT,
    speed: float = 1.0,
    done: Callable[[int], None] = lambda frames: None,
) -> None:
    """Write a GIF that repeats, of at most 20 pictures a second. done: takes the number of frames drawn."""
    from PIL import Image

    rate = scene.rate * speed
    step = max(rate / GIF_FPS, 1.0)
    frames = [int(frame) for frame in np.arange(0, scene.clip.frames, step)]
    drawn = (Image.fromarray(image) for image in moving(scene, width, height, theme, frames))
    first = next(drawn)
    palette = first.quantize(128, dither=Image.Dither.NONE)  # one for all: nothing flickers

    def rest() -> Iterator[Image.Image]:
        for count, image in enumerate(drawn, start=2):
            done(int(count * step))
            yield image.quantize(palette=palette, dither=Image.Dither.NONE)

    file = io.BytesIO()
    milliseconds = round(100 * step / rate) * 10  # GIF counts hundredths
    palette.save(file, "GIF", save_all=True, append_images=rest(), duration=max(milliseconds, 20), loop=0)
    write_atomic(path, file.getvalue())


def moving(scene: Scene, width: int, height: int, theme: Theme, frames: range | list[int]) -> Frames:
    """The pictures of some frames, one after another; what does not move is drawn once."""
    whole, stage, below = blank(width, height, theme), stage_of(scene), _below(scene)
    above = HEAD if scene.pictures else 0
    panel, foot = (
        part(whole, 0, above, width, height - below - above),
        part(whole, EDGE, height - below, width - 2 * EDGE, below),
    )
    draw_ground(panel, scene, stage, theme)
    draw_sides(part(whole, EDGE, 18, width - 2 * EDGE, 20), scene.clip.layout, scene.clip.people, theme)
    write(whole, EDGE, 28, shortened(scene.name, int(width / 11)), theme.text, 15, bold=True)
    write(whole, EDGE, 50, shortened(caption(scene), int(width / 8)), theme.quiet, 12)
    if scene.importance is not None:
        draw_heat(part(whole, EDGE, 40, width - 2 * EDGE, 20), theme)
    bars, course = (
        part(foot, 0, 0, foot.width, BARS),
        scene.answers is not None and len(scene.answers.probabilities) > 1,
    )
    if scene.answers is not None:
        draw_bars(bars, scene.answers, 0, theme, label=scene.label)
    if course:
        draw_ribbon(part(foot, 0, BARS + 8, foot.width - CLOCK, 22), scene.answers, scene.clip.frames, theme)
    still = whole.renderer.copy_from_bbox(Bbox([[0, 0], [width, height]]))
    filmed = scene.pictures(frames) if scene.pictures else repeat(None)
    for frame, image in zip(frames, filmed, strict=False):
        whole.renderer.restore_region(still)
        if image is not None:
            draw_picture(panel, stage, image)
        draw_people(panel, scene, stage, frame, theme)
        if course:
            draw_bars(bars, scene.answers, frame, theme, label=scene.label)
        _draw_time(part(foot, 0, below - 40, foot.width, 40), scene, frame, theme)
        yield pixels(whole)


def fitting_height(scene: Scene, width: int) -> int:
    """The height of a video whose width what was filmed fills."""
    assert scene.clip.image_size is not None, "what was filmed has a size"
    wide, high = scene.clip.image_size
    return round(width * high / wide) + HEAD + _below(scene)


def _below(scene: Scene) -> int:
    """The height that answers and time take."""
    if scene.answers is None:
        return 40
    return 40 + BARS + 8 + (26 if len(scene.answers.probabilities) > 1 else 0)


def _draw_time(panel: Panel, scene: Scene, frame: int, theme: Theme) -> None:
    line, gone = panel.width - CLOCK, frame / max(scene.clip.frames - 1, 1)
    fill(panel, 0, 17, line, 4, theme.line)
    fill(panel, 0, 17, line * gone, 4, theme.accent)
    write(panel, panel.width, 19, scene.time(frame), theme.quiet, 12, align="right")
