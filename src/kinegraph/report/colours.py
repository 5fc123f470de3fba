"""Colours of people, classes and importance, on light and on dark ground; the player and matplotlib take the same."""

from dataclasses import dataclass

from kinegraph.skeleton.layout import JointLayout


@dataclass(frozen=True)
class Theme:
    """people: (left, middle, right) of each, who repeat after the last. heat: importance from none to most."""

    ground: str
    text: str
    quiet: str
    line: str
    faint: str
    hover: str
    accent: str
    yes: str
    no: str
    people: tuple[tuple[str, str, str], ...]
    classes: tuple[str, ...]
    heat: tuple[str, ...]


# Left is the lighter and warmer or greener one of two neighbouring hues: they differ in lightness too, so that people
# who see fewer colours tell them apart.
LIGHT = Theme(
    ground="#ffffff",
    text="#1d2127",
    quiet="#626a76",
    line="#dfe3e8",
    faint="#eceff3",
    hover="#e8ebf0",
    accent="#1f5593",
    yes="#2c7a4b",
    no="#b3372f",
    people=(
        ("#12a5c0", "#2c6fae", "#2447b8"),
        ("#eda31a", "#d96d1e", "#c03a22"),
        ("#79b82c", "#3f9340", "#176e4b"),
        ("#e06cb6", "#a94fb4", "#7034a8"),
        ("#b59462", "#8d6a41", "#634625"),
    ),
    classes=("#2a66a8", "#d9762b", "#3c9a5f", "#a64fb0", "#b8972a", "#c2485a"),
    heat=("#c9ced6", "#f2c14e", "#ee7b30", "#c81d4a"),
)
DARK = Theme(
    ground="#14171b",
    text="#e4e7eb",
    quiet="#99a1ad",
    line="#30363e",
    faint="#1d2127",
    hover="#23282f",
    accent="#7db4ee",
    yes="#6cc58d",
    no="#f08a80",
    people=(
        ("#57dcec", "#5fabf0", "#6d8dfa"),
        ("#ffd05c", "#ff9f57", "#ff745c"),
        ("#b7e565", "#7bcf77", "#45b98b"),
        ("#ff9bd6", "#d58cf0", "#b17bf5"),
        ("#e0c491", "#bd9a6a", "#997449"),
    ),
    classes=("#7db4ee", "#f2a065", "#7ccf9a", "#d493e0", "#e0c662", "#ef8795"),
    heat=("#4a515c", "#a8743a", "#ee8a3a", "#ff4f79"),
)

LEFT, MIDDLE, RIGHT = 0, 1, 2


def sides(layout: JointLayout) -> list[int]:
    """LEFT, MIDDLE or RIGHT of each joint."""
    side = [MIDDLE] * len(layout)
    for left, right in layout.mirror:
        side[left], side[right] = LEFT, RIGHT
    return side


def bone_sides(layout: JointLayout) -> list[int]:
    """The side of each bone: that of its joints, the middle where they are of two sides."""
    side = sides(layout)
    found = [{side[i], side[j]} - {MIDDLE} for i, j in layout.bones]
    return [colours.pop() if len(colours) == 1 else MIDDLE for colours in found]


def css_variables(theme: Theme) -> str:
    """A theme as custom properties of a style sheet; lists both whole, for the script, and one by one."""
    lists = {"left": [p[LEFT] for p in theme.people], "middle": [p[MIDDLE] for p in theme.people]}
    lists |= {"right": [p[RIGHT] for p in theme.people], "classes": theme.classes, "heat": theme.heat}
    single = {"ground", "text", "quiet", "line", "faint", "hover", "accent", "yes", "no"}
    found = {name: getattr(theme, name) for name in sorted(single)}
    found |= {name: " ".join(colours) for name, colours in lists.items()}
    found |= {f"{name}-{i}": colour for name in ("left", "middle", "right") for i, colour in enumerate(lists[name])}
    found["heat-bar"] = f"linear-gradient(90deg, {', '.join(theme.heat)})"
    return " ".join(f"--kg-{name}: {value};" for name, value in found.items())
