"""One moment of a clip in matplotlib, as the player draws it in the browser: film strips and videos are made of it.

Pictures are measured in pixels from the upper left corner, and what is drawn is there at once, as on a canvas: figures
and axes of matplotlib take ten times as long for each of a video's frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import BboxImage
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox

from kinegraph.messages import plain_name, shortened
from kinegraph.report.colours import LEFT, RIGHT, Theme, bone_sides, sides
from kinegraph.report.scene import Answers, Scene
from kinegraph.report.stage import Stage, project
from kinegraph.skeleton.layout import JointLayout

THICK = 0.017  # of a bone, in sizes of a body
SHADOW = ((6.5, 0.012), (4.6, 0.016), (2.8, 0.02), (1.4, 0.03))  # width in bones, opacity
HEAT_STEPS = 74  # of the scale from least to most important, a pixel each
FLOOR_STEPS = 24  # of a line on the floor
BARS = 3  # classes whose probabilities are drawn


@dataclass(frozen=True, eq=False)
class Panel:
    """A rectangle of a picture, with coordinates of its own from its upper left corner; all in pixels of the layout.

    renderer: draws at once; None where the figure gathers what is drawn, for a vector file.
    figure: tells matplotlib how many true pixels (`scale`) such a pixel has.
    """

    renderer: RendererAgg | None
    figure: Figure
    scale: float
    x: float
    y: float
    width: float
    height: float


def blank(width: int, height: int, theme: Theme, scale: float = 1.0) -> Panel:
    """An empty picture."""
    dpi = 72 * scale  # a point, in which matplotlib measures lines and letters, is then a pixel of the layout
    renderer = RendererAgg(round(width * scale), round(height * scale), dpi)
    panel = Panel(renderer, Figure((width / 72, height / 72), dpi), scale, 0, 0, width, height)
    fill(panel, 0, 0, width, height, theme.ground)
    return panel


def blank_vectors(width: int, height: int, theme: Theme) -> Panel:
    """An empty picture of lines and letters, for `vector_file`."""
    panel = Panel(None, Figure((width / 72, height / 72), 72), 1.0, 0, 0, width, height)
    fill(panel, 0, 0, width, height, theme.ground)
    return panel


def part(panel: Panel, x: float, y: float, width: float, height: float) -> Panel:
    """A rectangle of a panel; nothing is drawn outside it."""
    return Panel(panel.renderer, panel.figure, panel.scale, panel.x + x, panel.y + y, width, height)


def pixels(panel: Panel) -> UInt8[np.ndarray, "H W 3"]:
    """The whole picture that a panel is of."""
    assert panel.renderer is not None, "made by `blank`"
    return np.ascontiguousarray(np.asarray(panel.renderer.buffer_rgba())[..., :3])


def put(panel: Panel, artist: Artist) -> None:
    """Draw one thing, in the panel's coordinates."""
    scale, bottom = panel.scale, panel.figure.bbox.height if panel.renderer is None else panel.renderer.height
    place = Affine2D().translate(panel.x, panel.y).scale(scale, -scale).translate(0, bottom)
    artist.set_transform(place)
    artist.set_clip_box(Bbox(place.transform([(0, panel.height), (panel.width, 0)])))
    if panel.renderer is None:
        artist.set_zorder(0)  # in the order in which they are put
        panel.figure.add_artist(artist)
        return
    artist.set_figure(panel.figure)
    artist.draw(panel.renderer)


def fill(panel: Panel, x: float, y: float, width: float, height: float, colour, alpha: float = 1.0) -> None:
    put(panel, Rectangle((x, y), width, height, facecolor=colour, alpha=alpha, linewidth=0))


def write(
    panel: Panel, x: float, y: float, text: str, colour: str, size: float = 12, align: str = "left", bold: bool = False
) -> None:
    """Text whose middle line is at y; names from data stay what they are."""
    weight = "bold" if bold else "normal"
    look = {"color": colour, "fontsize": size, "fontweight": weight, "horizontalalignment": align}
    put(panel, Text(x, y, plain_name(text), verticalalignment="center_baseline", parse_math=False, **look))


# ---- a moment --------------------------------------------------------------------------------------------------------


Stroke = tuple[Float[np.ndarray, "2 2"], tuple[float, ...], float, float]  # ends, colour, width, how far away


def draw_ground(panel: Panel, scene: Scene, stage: Stage, theme: Theme) -> None:
    """What does not move: the floor, or in 2D the image."""
    if stage.flat:
        _draw_image(panel, scene, stage, theme)
    else:
        _draw_floor(panel, stage, theme)


def draw_picture(panel: Panel, stage: Stage, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """What was filmed, behind the people."""
    from PIL import Image

    corners, _, _ = project(stage, np.stack([stage.low, stage.high]), panel.width, panel.height)
    if panel.renderer is None:
        (left, top), (right, low) = corners + (panel.x, panel.y)
        whole = panel.figure.bbox.height
        shown = BboxImage(Bbox([[left, whole - low], [right, whole - top]]), zorder=0)
        shown.set_data(image)
        panel.figure.add_artist(shown)
        return
    left, top = (panel.scale * (corners[0] + (panel.x, panel.y))).round().astype(int)
    width, height = (panel.scale * (corners[1] - corners[0])).round().astype(int)
    shown = np.asarray(Image.fromarray(image).resize((int(width), int(height))).convert("RGBA"))
    below = round(panel.renderer.height) - top - height
    panel.renderer.draw_image(panel.renderer.new_gc(), left, below, shown[::-1])


def draw_people(panel: Panel, scene: Scene, stage: Stage, frame: int, theme: Theme) -> None:
    """Everybody in a frame, the farthest bones first."""
    people = range(scene.clip.people)
    if not stage.flat:
        for person in people:
            _draw_shadow(panel, scene, stage, person, frame, theme)
    strokes = [stroke for person in people for stroke in _strokes(panel, scene, stage, person, frame, theme)]
    if not strokes:
        return
    strokes.sort(key=lambda stroke: -stroke[3])
    segments, colours, widths, _ = zip(*strokes, strict=True)
    lines = LineCollection(segments, colors=colours, linewidths=widths, capstyle="round")
    lines.set_snap(False)
    put(panel, lines)


def _strokes(panel: Panel, scene: Scene, stage: Stage, person: int, frame: int, theme: Theme) -> Iterator[Stroke]:
    """Bones, then joints, each as two strokes: a rim in the colour of the ground, which tells it from what is behind,
    and itself. A joint is a stroke of nearly no length with round ends."""
    clip, points = scene.clip, stage.points[person, frame]
    places, far, scale = project(stage, points, panel.width, panel.height)
    own = [np.array(to_rgb(colour)) for colour in theme.people[person % len(theme.people)]]
    ground = np.array(to_rgb(theme.ground))
    depth = 0 if stage.flat else 1 / (2 * max(stage.half, stage.reach))
    sure = np.ones(len(points)) if clip.score is None else 0.12 + 0.88 * np.clip(clip.score[person, frame], 0, 1)
    thick = np.clip(THICK * stage.size * scale, 1.4, 14)
    importance = None if scene.importance is None else scene.importance[person, frame]

    def faded(colour, away: float, alpha: float) -> tuple:
        share = 0.0 if stage.flat else float(np.clip(0.14 + 0.8 * away * depth, 0, 0.5))
        return (*(colour + share * (ground - colour)), alpha)

    for side, (i, j) in zip(bone_sides(clip.layout), clip.layout.bones, strict=True):
        if np.isnan(points[i]).any() or np.isnan(points[j]).any():
            continue
        away, alpha, line = (far[i] + far[j]) / 2, min(sure[i], sure[j]), (thick[i] + thick[j]) / 2
        colour = own[side] if importance is None else 0.45 * own[side] + 0.55 * np.array(to_rgb(theme.heat[0]))
        segment = places[[i, j]]
        yield segment, (*ground, alpha), line + 2.4, away
        yield segment, faded(colour, away, alpha), line, away
    head = _head(scene)
    for joint, side in enumerate(sides(clip.layout)):
        if np.isnan(points[joint]).any():
            continue
        share = (2.1 if joint == head else 0.92) if importance is None else 0.5 + 1.7 * importance[joint]
        colour = own[side] if importance is None else heat(theme, importance[joint])
        away, disc = far[joint] - 5 * THICK * stage.size, 2 * thick[joint] * share
        segment = places[joint] + np.array([[-0.02, 0], [0.02, 0]])
        yield segment, (*ground, sure[joint]), disc + 2.4, away
        yield segment, faded(colour, away, sure[joint]), disc, away


def heat(theme: Theme, share: float) -> Float[np.ndarray, "3"]:
    """The colour of an importance in [0, 1]."""
    stops = np.array([to_rgb(colour) for colour in theme.heat])
    return np.array([np.interp(share, np.linspace(0, 1, len(stops)), stops[:, channel]) for channel in range(3)])


def draw_heat(panel: Panel, theme: Theme) -> None:
    """What the colours of importance mean."""
    write(panel, panel.width, panel.height / 2, "most important", theme.quiet, 11, align="right")
    left, middle = panel.width - HEAT_STEPS - 100, panel.height / 2
    write(panel, left - 8, middle, "least", theme.quiet, 11, align="right")
    for step in range(HEAT_STEPS):
        fill(panel, left + step, middle - 3, 1, 7, heat(theme, step / (HEAT_STEPS - 1)))


def draw_sides(panel: Panel, layout: JointLayout, people: int, theme: Theme) -> None:
    """Which colours are left and which right, from the right edge; nothing where the layout has no sides."""
    if not layout.mirror:
        return
    at, middle, shown = panel.width, panel.height / 2, theme.people[:people]
    for word, side, wide in (("right", RIGHT, 29), ("left", LEFT, 22)):
        write(panel, at, middle, word, theme.quiet, 11, align="right")
        at -= wide + 4 + 8 * len(shown)
        for place, hues in enumerate(shown):
            fill(panel, at + 8 * place, middle - 5, 8, 11, hues[side])
        at -= 12


def _head(scene: Scene) -> int | None:
    """The joint at the end of a head, where the layout has one."""
    layout = scene.clip.layout
    ends = [i for i in range(len(layout)) if sum(i in bone for bone in layout.bones) == 1]
    return next((i for i in ends if "head" in layout.joints[i].lower()), None)


# ---- around people ---------------------------------------------------------------------------------------------------


def _draw_floor(panel: Panel, stage: Stage, theme: Theme) -> None:
    """Lines that fade out away from the middle."""
    middle, far = stage.centre[[0, 2]], 1.25 * stage.reach + 0.5 * stage.size
    segments, colours = [], []
    for axis in (0, 1):
        first, last = np.ceil((middle[axis] - far) / stage.grid), np.floor((middle[axis] + far) / stage.grid)
        for line in np.arange(first, last + 1) * stage.grid:
            across = line - middle[axis]
            along = np.sqrt(max(far**2 - across**2, 0)) * np.linspace(-1, 1, FLOOR_STEPS + 1)
            spots = np.full((FLOOR_STEPS + 1, 3), stage.floor)
            spots[:, 2 * axis], spots[:, 2 - 2 * axis] = line, middle[1 - axis] + along
            places, _, _ = project(stage, spots, panel.width, panel.height)
            away = np.hypot(across, (along[1:] + along[:-1]) / 2) / far
            segments += list(np.stack([places[:-1], places[1:]], axis=1))
            colours += [(*to_rgb(theme.quiet), 0.4 * max(1 - share**2, 0)) for share in away]
    put(panel, LineCollection(segments, colors=colours, linewidths=0.9, capstyle="butt"))


def _draw_shadow(panel: Panel, scene: Scene, stage: Stage, person: int, frame: int, theme: Theme) -> None:
    points = stage.points[person, frame].copy()
    points[:, 1] = np.where(np.isnan(points[:, 1]), np.nan, stage.floor)
    places, _, scale = project(stage, points, panel.width, panel.height)
    bones = [bone for bone in scene.clip.layout.bones if not np.isnan(places[list(bone)]).any()]
    if not bones:
        return
    path = Path(places[np.array(bones).ravel()], [Path.MOVETO, Path.LINETO] * len(bones))
    thick = THICK * stage.size * float(np.nanmean(scale))
    for wide, alpha in SHADOW:
        look = {"edgecolor": theme.text, "linewidth": wide * thick, "alpha": alpha, "capstyle": "round"}
        put(panel, PathPatch(path, fill=False, **look))


def _draw_image(panel: Panel, scene: Scene, stage: Stage, theme: Theme) -> None:
    """The image that the coordinates are pixels of."""
    if scene.clip.image_size is None:
        return
    corners, _, _ = project(stage, np.array([[0, 0], scene.clip.image_size], float), panel.width, panel.height)
    fill(panel, 0, 0, panel.width, panel.height, theme.faint)
    put(panel, Rectangle(tuple(corners[0]), *(corners[1] - corners[0]), facecolor=theme.ground, edgecolor=theme.line))


# ---- answers ---------------------------------------------------------------------------------------------------------


def draw_bars(panel: Panel, answers: Answers, frame: int, theme: Theme, label: str) -> None:
    """The probabilities at a frame as bars, always of the same three classes."""
    shown, now, width = answers.leading(BARS), answers.at(frame), panel.width
    row = panel.height / BARS
    for at, index in enumerate(shown):
        likeliest = now[index] == now.max() > 0
        fill(panel, 0, at * row + 2, width, row - 4, theme.faint)
        fill(panel, 0, at * row + 2, width * now[index], row - 4, theme.classes[at % len(theme.classes)], alpha=0.35)
        colour = theme.text if likeliest else theme.quiet
        name = shortened(answers.class_names[index], max(int(width / 8) - 10, 8))
        name += " ✓" if answers.class_names[index] == label else ""
        size, middle = min(12.0, row * 0.55), (at + 0.5) * row
        write(panel, 9, middle, name, colour, size, bold=likeliest)
        write(panel, width - 9, middle, f"{100 * now[index]:.1f} %", colour, size, align="right", bold=likeliest)


def draw_ribbon(panel: Panel, answers: Answers, frames: int, theme: Theme) -> None:
    """The likeliest class over the whole time."""
    best = answers.best()
    shown = answers.winners()
    edges = np.clip(answers.edges / max(frames - 1, 1), 0, 1) * panel.width
    starts = np.flatnonzero(np.diff(best, prepend=-2))
    for start, stop in zip(starts, [*starts[1:], len(best)], strict=True):
        if best[start] < 0:
            continue
        x, wide = edges[start], edges[stop] - edges[start]
        colour = theme.classes[shown.index(best[start]) % len(theme.classes)]
        fill(panel, x + 0.5, 0, max(wide - 1, 0.5), panel.height, colour)
        if (letters := int((wide - 14) / 7)) > 3:
            name = shortened(answers.class_names[best[start]], letters)
            write(panel, x + 7, panel.height / 2, name, theme.ground, 11)
