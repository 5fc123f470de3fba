"""A clip as a player: one figure of a page, or a whole page that needs nothing but itself.

A page holds the style sheet and the script once (`player_css`, `player_js`), and figures (`player_fragment`) anywhere
above the script. A figure carries its data: coordinates as 16-bit steps through the box that holds them, which is finer
than a tenth of a millimetre for people in a room.
"""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.messages import plain_name
from kinegraph.report.colours import DARK, LIGHT, bone_sides, css_variables, sides
from kinegraph.report.page import POLICY, data, part, text
from kinegraph.report.scene import Answers, Scene, key_frames
from kinegraph.report.stage import DISTANCE, MARGIN, Stage, stage_of
from kinegraph.skeleton.layout import JointLayout

UNSEEN = -32768
STRIP, COMPACT_STRIP = 6, 4  # frames that stand for the movement on paper
CLASSES, COMPACT_CLASSES = 5, 3  # listed with their probabilities; more where more are ever the likeliest


def player_html(scenes: Scene | Sequence[Scene], heading: str = "", fill: bool = False) -> str:
    """A page with a player for each scene, that works from a file and without a network.

    fill: a single player is as high as its window, which is a frame in another page.
    """
    scenes = [scenes] if isinstance(scenes, Scene) else list(scenes)
    title = heading or scenes[0].name
    above = f"<h1>{text(heading)}</h1>\n" if heading else ""
    main = '<main class="fill">' if fill else "<main>"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f'<meta name="color-scheme" content="light dark">\n<title>{text(title)}</title>',
            f"<style>\n{part('player_page.css')}{player_css()}</style>\n</head>\n<body>\n{main}",
            above + "\n".join(player_fragment(scene) for scene in scenes),
            f"</main>\n<script>\n{player_js()}</script>\n</body>\n</html>\n",
        ]
    )


def player_css() -> str:
    """The style sheet of players; it touches nothing else of a page, and follows its light or dark mode."""
    light, dark = css_variables(LIGHT), css_variables(DARK)
    return (
        f".kg-player {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ .kg-player:not(.kg-printing *) {{ {dark} }} }}\n"
        f"{part('player.css')}"
    )


def player_js() -> str:
    """The script of players. It starts the figures above itself; `kinegraphPlayers()` starts those added later."""
    parts = (part(f"player{name}.js") for name in ("_stage", "", "_parts", "_print"))
    return "(() => {\n" + "\n".join(parts) + "})();\n"


def player_fragment(scene: Scene, compact: bool = False) -> str:
    """One player as a figure. compact: for several beside each other, with a smaller stage and fewer controls."""
    clip = scene.clip
    packed = data(_packed(scene, compact))
    people = "1 person" if clip.people == 1 else f"{clip.people} people"
    description = f"Moving skeleton: {scene.name}; {people}, {clip.frames} frames"
    lines = [f'<div class="kg-title">{text(scene.name)}</div>']
    known = f"label: {scene.label}" if scene.label and scene.answers is None else ""
    lines += [f'<div class="kg-note">{text(line)}</div>' for line in (known, scene.note) if line]
    kind = "kg-player kg-compact" if compact else "kg-player"
    return (
        f'<figure class="{kind}" data-frame="0" data-playing="false">\n'
        f"<figcaption>{''.join(lines)}</figcaption>\n"
        f'<div class="kg-stage"><canvas tabindex="0" role="img" aria-label="{text(description)}"></canvas></div>\n'
        "<noscript>The skeleton is drawn by a script, which this browser does not run.</noscript>\n"
        f"{packed}\n</figure>"
    )


# ---- the data of a figure --------------------------------------------------------------------------------------------


def _packed(scene: Scene, compact: bool) -> dict:
    clip, stage = scene.clip, stage_of(scene)
    found = {
        "shape": list(clip.keypoint.shape),
        "fps": scene.rate,
        "timed": scene.timed,
        **layout_facts(clip.layout),
        "view": view_of(stage),
        "image": list(clip.image_size or ()),
        "label": plain_name(scene.label),
        "individuals": list(map(plain_name, scene.individuals)),
        "strip": key_frames(stage.points, COMPACT_STRIP if compact else STRIP).tolist(),
        **_coordinates(stage),
    }
    if clip.score is not None:
        found["score"] = _bytes(clip.score)
    if scene.importance is not None:
        found["importance"] = _bytes(scene.importance)
    if scene.answers is not None:
        found["answers"] = _answers(scene.answers, COMPACT_CLASSES if compact else CLASSES)
    return found


def layout_facts(layout: JointLayout) -> dict[str, Any]:
    """What the script has to know of a layout."""
    return {
        "joints": [plain_name(name) for name in layout.joints],
        "bones": [list(bone) for bone in layout.bones],
        "side": sides(layout),
        "hues": len(LIGHT.people),
        "boneSide": bone_sides(layout),
    }


def view_of(stage: Stage) -> dict[str, Any]:
    """Where people stand and from where they are looked at."""
    numbers = {name: getattr(stage, name) for name in ("size", "floor", "yaw", "pitch", "grid", "half")}
    view = {name: _short(value) for name, value in numbers.items()} | {"distance": DISTANCE, "margin": MARGIN}
    if not stage.flat:
        view["reach"] = _short(stage.reach)
    return view | {"low": [_short(value) for value in stage.low], "high": [_short(value) for value in stage.high]}


def _coordinates(stage: Stage) -> dict:
    """Integers of 16 bits: origin + step · integer is the coordinate, one step for all axes."""
    points = stage.points
    low = np.nanmin(points, axis=(0, 1, 2))
    step = max(float((np.nanmax(points, axis=(0, 1, 2)) - low).max()) / 65534, 1e-12)
    whole = np.where(np.isnan(points), UNSEEN, np.rint((points - low) / step) - 32767)
    packed = base64.b64encode(whole.astype("<i2").tobytes()).decode()
    origin = [float(value) for value in low + 32767 * step]
    return {"points": packed, "origin": origin, "step": step}


def _bytes(share: Float[np.ndarray, "M T V"]) -> str:
    """Numbers in [0, 1] in steps of 1/255."""
    return base64.b64encode(np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8).tobytes()).decode()


def _answers(answers: Answers, most: int) -> dict:
    classes = answers.leading(max(most, len(answers.winners())))
    shown = np.rint(np.clip(answers.probabilities[:, classes], 0, 1) * 65535).astype("<u2")
    return {
        "names": [plain_name(answers.class_names[i]) for i in classes],
        "edges": answers.edges.tolist(),
        "best": [classes.index(best) if best >= 0 else -1 for best in answers.best().tolist()],
        "probabilities": base64.b64encode(shown.tobytes()).decode(),
        **({"colours": [answers.colours[i] for i in classes]} if answers.colours else {}),
    }


def _short(value: float) -> float:
    return float(f"{value:.7g}")
