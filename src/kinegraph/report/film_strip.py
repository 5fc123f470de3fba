"""A clip as one picture: key frames beside each other, with their times."""

import io
from collections.abc import Callable
from itertools import repeat

import numpy as np
from jaxtyping import Int, UInt8

from kinegraph.messages import shortened
from kinegraph.report.colours import LIGHT, Theme
from kinegraph.report.drawing import (
    Panel,
    blank,
    blank_vectors,
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
from kinegraph.report.plots import VectorKind, vector_file
from kinegraph.report.scene import Scene, key_frames
from kinegraph.report.stage import Stage, stage_of

HEIGHT = 300  # of a frame, in pixels
WIDEST = 1500  # of a row
EDGE = 24


def film_strip_png(scene: Scene, count: int = 8, theme: Theme = LIGHT, scale: float = 1.5) -> bytes:
    """The picture as a PNG file; the same scene gives the same bytes.

    count: frames shown. scale: true pixels for each pixel of the layout.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(film_strip(scene, count, theme, scale)).save(file, "PNG", optimize=True)
    return file.getvalue()


def film_strip_vectors(scene: Scene, kind: VectorKind, count: int = 8, theme: Theme = LIGHT) -> bytes:
    """The picture as an SVG or PDF file; the same scene gives the same bytes."""
    return vector_file(_strip(scene, count, theme, lambda *size: blank_vectors(*size, theme)).figure, kind)


def film_strip(scene: Scene, count: int = 8, theme: Theme = LIGHT, scale: float = 1.5) -> UInt8[np.ndarray, "H W 3"]:
    """The picture as an array."""
    return pixels(_strip(scene, count, theme, lambda *size: blank(*size, theme, scale)))


def _strip(scene: Scene, count: int, theme: Theme, empty: Callable[[int, int], Panel]) -> Panel:
    """Frames in as many rows as they need, what the network says below. empty: the picture, of a width and height."""
    if count < 1:
        raise ValueError(f"{count} frames cannot be shown; give 1 or more")
    stage = stage_of(scene, room=0.1)
    frames, wide = key_frames(stage.points, count), panel_width(stage)
    columns = min(len(frames), max(int(WIDEST / wide), 1))
    rows = -(-len(frames) // columns)
    columns = -(-len(frames) // rows)  # as many in each row
    width = max(int(columns * wide), 360) + 2 * EDGE
    top = 62 if scene.note or scene.label else 46
    body = rows * (HEIGHT + 28)
    whole = empty(width, top + body + (_answers_height(scene) if scene.answers else 0) + 10)
    _draw_head(part(whole, EDGE, 0, width - 2 * EDGE, 62), scene, theme)
    filmed = scene.pictures(frames.tolist()) if scene.pictures else repeat(None)
    for at, (frame, image) in enumerate(zip(frames.tolist(), filmed, strict=False)):
        x, y = EDGE + at % columns * wide, top + at // columns * (HEIGHT + 28)
        panel = part(whole, x + 2, y, wide - 4, HEIGHT)
        draw_ground(panel, scene, stage, theme)
        if image is not None:
            draw_picture(panel, stage, image)
        draw_people(panel, scene, stage, frame, theme)
        below = part(whole, x, y + HEIGHT, wide, 28)
        write(below, wide / 2, 13, scene.time(frame), theme.quiet, 11.5, align="center")
    if scene.answers:
        _draw_answers(part(whole, EDGE, top + body, width - 2 * EDGE, 100), scene, frames, theme)
    return whole


def panel_width(stage: Stage) -> float:
    """The width that a frame needs at its height."""
    if stage.flat:
        shape = (stage.high[0] - stage.low[0]) / (stage.high[1] - stage.low[1])
    else:
        shape = stage.reach / (stage.half * np.cos(stage.pitch) + stage.reach * np.sin(stage.pitch))
    return float(np.clip(shape, 0.5, 1.8)) * HEIGHT


def _draw_head(panel: Panel, scene: Scene, theme: Theme) -> None:
    draw_sides(part(panel, 0, 16, panel.width, 20), scene.clip.layout, scene.clip.people, theme)
    room = panel.width - 90 - 16 * min(scene.clip.people, len(theme.people))
    write(panel, 0, 26, shortened(scene.name, int(room / 9)), theme.text, 15, bold=True)
    if scene.importance is not None:
        draw_heat(part(panel, 0, 38, panel.width, 20), theme)
        room = panel.width - 220
    write(panel, 0, 48, shortened(caption(scene), int(room / 7)), theme.quiet, 12)


def caption(scene: Scene) -> str:
    """The quiet line below a picture's heading."""
    return " · ".join(line for line in (f"label: {scene.label}" if scene.label else "", scene.note) if line)


def _answers_height(scene: Scene) -> int:
    return 56 if len(scene.answers.probabilities) > 1 else 3 * 24 + 18


def _draw_answers(panel: Panel, scene: Scene, frames: Int[np.ndarray, "n"], theme: Theme) -> None:
    if len(scene.answers.probabilities) == 1:
        draw_bars(part(panel, 0, 8, panel.width, 3 * 24), scene.answers, 0, theme, label=scene.label)
        return
    draw_ribbon(part(panel, 0, 20, panel.width, 24), scene.answers, scene.clip.frames, theme)
    for frame in frames.tolist():  # where the pictures above are in it
        x = frame / max(scene.clip.frames - 1, 1) * (panel.width - 2)
        fill(panel, x, 8, 2, 10, theme.quiet)
