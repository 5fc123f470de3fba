"""A picture of a layout's graph: the skeleton, its partitions, and how far one graph convolution carries a joint."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from kinegraph.messages import did_you_mean, first_few, plain_name
from kinegraph.report.colours import LEFT, LIGHT, MIDDLE, RIGHT, bone_sides, sides
from kinegraph.skeleton.graph import adjacency, hop_distances
from kinegraph.skeleton.layout import JointLayout, load_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, TITLE = 4.2, 0.4  # inches
TALLEST = 1.5  # a panel, in widths
WIDEST = 0.8 * np.pi  # the angle that the joints behind one may take
ROWS, FEW = 18, 2  # of names in a column, and columns of readable size
PARTS = {  # strategy -> what its slices are
    "uniform": ("all neighbours",),
    "inward_outward": ("the joint itself", "inward: from the parent", "outward: from the children"),
    "spatial_true": ("equally far from the centre", "nearer to the centre", "farther from the centre"),
}


def show_graph(
    layout: JointLayout | str | Path, strategy: str = "spatial", max_hop: int = 1, joint: str | int | None = None
) -> "Figure":
    """Draw a layout as its graph: the skeleton, the weights of each partition, and how one joint is computed.

    In a partition an arrow goes from joint v to joint w where the graph convolution adds v to w; a ring is a joint
    that is added to itself. The last panel shows the joints that `joint` is computed from, all partitions together;
    the larger a dot, the larger its weight. joint: a name or number, by default the centre. Returns a figure of
    matplotlib; a notebook shows it. Raises ValueError for an unknown layout, strategy or joint.
    """
    layout = layout if isinstance(layout, JointLayout) else load_layout(layout)
    graph = adjacency(layout, strategy, max_hop)
    chosen = _joint(layout, layout.centre if joint is None else joint)
    places, columns = places_of(layout), len(graph) + 3
    across, down = min(columns, 3), -(-columns // 3)
    wide, high = np.ptp(places, axis=0) + 1
    figure = _figure(
        figsize=(PANEL * across, (PANEL * min(max(high / wide, 1 / TALLEST), TALLEST) + TITLE) * down + TITLE),
        layout="constrained",
    )
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    skeleton, names, *parts = panels[:columns]
    for panel in (skeleton, *parts):
        panel.set_aspect("equal")
        _bones(panel, layout, places)
    _numbers(skeleton, layout, places)
    _names(names, layout)
    skeleton.set_title(f"{layout.name}: {len(layout)} joints, centre {layout.joints[layout.centre]}", fontsize=9)
    for number, (panel, part) in enumerate(zip(parts, graph, strict=False)):
        _arrows(panel, part, places)
        panel.set_title(f"partition {number}: {_part(strategy, number)}", fontsize=9)
    _mixed(parts[-1], graph.sum(axis=0)[:, chosen], places, chosen)
    parts[-1].set_title(f"{layout.joints[chosen]} after one graph convolution", fontsize=9)
    figure.suptitle(f"strategy {strategy}, max_hop {max_hop}", fontsize=10)
    return figure


def _figure(**form: Any) -> "Figure":
    """A figure that a notebook shows by itself, without `%matplotlib inline`."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            written = BytesIO()
            self.savefig(written, format="png", dpi=80)
            return written.getvalue()

    return ShownFigure(**form)


def _joint(layout: JointLayout, joint: str | int) -> int:
    if isinstance(joint, int) and not isinstance(joint, bool):
        if not 0 <= joint < len(layout):
            raise ValueError(f"joint is {joint}, layout '{layout.name}' has the joints 0 to {len(layout) - 1}")
        return joint
    if joint not in layout.joints:
        hint = did_you_mean(joint, layout.joints) or f"; its joints are {first_few(layout.joints, 6)}"
        raise ValueError(f"layout '{layout.name}' has no joint '{joint}'{hint}")
    return layout.joints.index(joint)


def _part(strategy: str, number: int) -> str:
    if strategy in PARTS:
        return PARTS[strategy][number]
    if strategy == "distance":
        return f"{number} bones away"
    hops, nearer = (number + 1) // 2, number % 2 == 0
    where = "nearer to the centre" if nearer else "not nearer to the centre"
    return "the joint itself" if number == 0 else f"{hops} away, {where}"


# ---- where joints stand ----------------------------------------------------------------------------------------------


def places_of(layout: JointLayout) -> Float[np.ndarray, "V 2"]:
    """A place for each joint: each bone points away from the centre, inside the wedge of its part of the tree.

    Up is the way of the spine. A layout has names and bones, no positions, so this is a diagram, not a pose.
    """
    tree = _tree(layout)
    leaves = _leaves(tree, layout.centre)
    around = _around_centre(layout, tree)
    at_top = around and sides(layout)[around[0]] == MIDDLE  # it has the top; else the left side begins there
    full = 2 * np.pi
    end = np.pi / 2 + (full * leaves[around[0]] / leaves[layout.centre] / 2 if at_top else 0)
    places = np.zeros((len(layout), 2))
    _spread(layout, tree, leaves, places, layout.centre, around, (end - full, end))
    return places


def _tree(layout: JointLayout) -> dict[int, list[int]]:
    """The joints one bone farther from the centre, below each joint."""
    hop = hop_distances(layout)
    depth = hop[layout.centre]
    tree: dict[int, list[int]] = {joint: [] for joint in range(len(layout))}
    for joint in np.argsort(depth, kind="stable").tolist():
        if joint != layout.centre:
            tree[int(np.flatnonzero((hop[joint] == 1) & (depth == depth[joint] - 1))[0])].append(joint)
    return tree


def _leaves(tree: dict[int, list[int]], joint: int) -> dict[int, int]:
    """The number of ends below a joint and below each joint there."""
    counts: dict[int, int] = {}
    for child in tree[joint]:
        counts |= _leaves(tree, child)
    return counts | {joint: sum(counts[child] for child in tree[joint]) or 1}


def _around_centre(layout: JointLayout, tree: dict[int, list[int]]) -> list[int]:
    """The joints beside the centre, clockwise from the top: a person's left is on the right, as face to face."""
    side, lower = sides(layout), layout.spine[0] if layout.spine else None
    children = tree[layout.centre]
    middle = [child for child in children if side[child] == MIDDLE]
    down = [child for child in middle if lower in _leaves(tree, child)] or middle[1:]
    up = [child for child in middle if child not in down]
    left, right = ([child for child in children if side[child] == which] for which in (LEFT, RIGHT))
    return [*up, *_alike(layout, left), *down, *reversed(_alike(layout, right))]


def _alike(layout: JointLayout, joints: list[int]) -> list[int]:
    """In an order that is the same for mirrored joints."""
    mirrored = layout.mirrored()
    return sorted(joints, key=lambda joint: min(joint, mirrored[joint]))


def _clockwise(layout: JointLayout, joint: int, children: list[int], angle: float) -> list[int]:
    """The joints behind one, clockwise, so that the sides of the body stay on theirs."""
    side = sides(layout)
    if side[joint] != MIDDLE:
        return _alike(layout, children)[:: 1 if side[joint] == LEFT else -1]
    left, middle, right = ([child for child in children if side[child] == which] for which in (LEFT, MIDDLE, RIGHT))
    order = [*_alike(layout, left), *middle, *reversed(_alike(layout, right))]
    return order[::-1] if np.sin(angle) > 0 else order


def _spread(
    layout: JointLayout,
    tree: dict[int, list[int]],
    leaves: dict[int, int],
    places: Float[np.ndarray, "V 2"],
    joint: int,
    children: list[int],
    wedge: tuple[float, float],
) -> None:
    """Place the joints behind one, and all behind those, within angles; one with more ends has more room."""
    begin, end = wedge
    for child in children:
        width = (wedge[1] - begin) * leaves[child] / leaves[joint]
        angle = end - width / 2
        places[child] = places[joint] + (np.cos(angle), np.sin(angle))
        half = min(width, WIDEST) / 2
        behind = _clockwise(layout, child, tree[child], angle)
        _spread(layout, tree, leaves, places, child, behind, (angle - half, angle + half))
        end -= width


# ---- panels ----------------------------------------------------------------------------------------------------------


def _bones(panel: "Axes", layout: JointLayout, places: Float[np.ndarray, "V 2"]) -> None:
    colours = LIGHT.people[0]
    for bone, side in zip(layout.bones, bone_sides(layout), strict=True):
        panel.plot(*places[list(bone)].T, color=colours[side], linewidth=2, alpha=0.35, zorder=1)
    panel.margins(0.12)


def _numbers(panel: "Axes", layout: JointLayout, places: Float[np.ndarray, "V 2"]) -> None:
    """The joints, coloured by side, with their numbers; the centre has a ring."""
    panel.scatter(*places.T, s=26, c=[LIGHT.people[0][side] for side in sides(layout)], zorder=3)
    panel.scatter(*places[layout.centre], s=110, facecolors="none", edgecolors=LIGHT.text, zorder=3)
    for joint, place in enumerate(places):
        panel.annotate(str(joint), place, (3, 4), textcoords="offset points", fontsize=7, color=LIGHT.text, zorder=4)


def _names(panel: "Axes", layout: JointLayout) -> None:
    """The names that the numbers stand for, in the colours of their sides."""
    columns = -(-len(layout) // ROWS)
    rows = -(-len(layout) // columns)
    for joint, side in enumerate(sides(layout)):
        column, row = divmod(joint, rows)
        spot, words = (column / columns, 1 - (row + 1) / (rows + 1)), f"{joint} {plain_name(layout.joints[joint])}"
        style = {"color": LIGHT.people[0][side], "fontsize": 7.5 if columns <= FEW else 3.5}
        panel.text(*spot, words, transform=panel.transAxes, **style)


def _arrows(panel: "Axes", part: Float[np.ndarray, "V V"], places: Float[np.ndarray, "V 2"]) -> None:
    strongest = part.max() or 1.0
    panel.scatter(*places.T, s=8, c=LIGHT.quiet, zorder=2)
    for v, w in np.argwhere(part > 0).tolist():
        share = part[v, w] / strongest
        if v == w:
            panel.scatter(*places[v], s=45, facecolors="none", edgecolors=LIGHT.no, linewidths=0.6 + share, zorder=3)
            continue
        arrow = {"arrowstyle": "-|>", "color": LIGHT.no, "linewidth": 0.5 + share, "shrinkA": 2, "shrinkB": 3}
        arrow |= {"connectionstyle": "arc3,rad=0.18", "mutation_scale": 7}
        panel.annotate("", places[w], places[v], arrowprops=arrow, zorder=3)


def _mixed(panel: "Axes", weights: Float[np.ndarray, "V"], places: Float[np.ndarray, "V 2"], chosen: int) -> None:
    """The weights with which a joint is computed from its neighbours and itself."""
    panel.scatter(*places.T, s=8, c=LIGHT.quiet, zorder=2)
    there = np.flatnonzero(weights > 0)
    panel.scatter(*places[there].T, s=500 * weights[there], c=LIGHT.people[1][MIDDLE], alpha=0.75, zorder=3)
    panel.scatter(*places[chosen], s=150, facecolors="none", edgecolors=LIGHT.text, zorder=4)
    for v in there.tolist():
        panel.annotate(f"{weights[v]:.2f}", places[v], (6, -9), textcoords="offset points", fontsize=7, zorder=5)
