"""The shell and the small parts of a report: one page that needs nothing but itself, on a phone or a desk, in light or
dark. Everything that comes from data goes through `text`.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources

from kinegraph import __version__
from kinegraph.messages import plain_name

# The browser may load nothing, and run no script but the page's own.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def whole_page(title: str, sections: Iterable[str], *, css: str = "", js: str = "") -> str:
    """The page. sections: made by `section` or else; css and js come after the report's own."""
    sections = [section for section in sections if section]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f'<meta name="color-scheme" content="light dark">\n<title>{text(title)}</title>',
            f"<style>\n{part('report.css')}{css}</style>\n</head>\n<body>\n<main>",
            *sections,
            f"<footer>Kinegraph {__version__}</footer>\n</main>",
            f"<script>\n{part('report.js')}{part('report_matrix.js')}{js}</script>\n</body>\n</html>\n",
        ]
    )


def section(name: str, title: str, *content: str) -> str:
    """name: its address in the page, for `contents`."""
    return f'<section id="{name}"><h2>{title}</h2>{"".join(content)}</section>'


def contents(sections: Mapping[str, str]) -> str:
    """Links to sections: name -> title."""
    links = (f'<a href="#{name}">{title}</a>' for name, title in sections.items())
    return f'<nav aria-label="Sections">{"".join(links)}</nav>'


def tile(name: str, value: str, unit: str = "", remark: str = "") -> str:
    """A figure that the reader came for. name, unit, remark: markup."""
    unit = f"<i>{unit}</i>" if unit else ""
    return f'<div><dt>{name}</dt><dd><b>{value}{unit}</b><span class="quiet">{remark}</span></dd></div>'


def tiles(*cells: str) -> str:
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def quiet(words: str) -> str:
    return f'<p class="quiet">{words}</p>'


def facts(values: Mapping[str, object]) -> str:
    rows = "".join(f"<dt>{text(key)}</dt><dd>{text(value)}</dd>" for key, value in values.items())
    return f'<dl class="facts">{rows}</dl>'


def folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>{content}</details>"


def code(words: str) -> str:
    lines = "\n".join(text(line) for line in words.expandtabs(2).splitlines())
    return f'<pre tabindex="0">{lines}</pre>'


def data(values: object) -> str:
    """A value for the page's script. In a script element only "<" could end the element early."""
    packed = json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json">{packed}</script>'


# ---- tables ----------------------------------------------------------------------------------------------------------


def table(heads: Sequence[str], rows: Iterable[Iterable[str]], kind: str = "", sortable: bool = False) -> str:
    """heads: markup, "#" in front marks a column of numbers. rows: cells made by the functions below."""
    cells = []
    for head in heads:
        words = head.removeprefix("#")
        words = f'<button type="button">{words}</button>' if sortable and words else words
        cells.append(f'<th scope="col"{" class=number" if head.startswith("#") else ""}>{words}</th>')
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    opening = f'<table class="{kind}">' if kind else "<table>"
    return f'<div class="scroll">{opening}<thead><tr>{"".join(cells)}</tr></thead><tbody>{body}</tbody></table></div>'


def name(words: str) -> str:
    return f"<td>{text(words)}</td>"


def number(words: str, value: float | None = None) -> str:
    """value: what to sort by, where the words are no plain number."""
    return f'<td class="number" data-value="{words if value is None else f"{value:.6g}"}">{words}</td>'


def bar(fraction: float) -> str:
    """A share as a number with a bar; "–" where there is nothing to divide by, which sorts last."""
    if math.isnan(fraction):
        return number("–", -1)
    share = f"{100 * fraction:.1f}"
    return f'<td class="number bar" data-value="{share}" style="--share:{share}%">{share}</td>'


def interval_bar(
    at: float, low: float, high: float, scale: tuple[float, float] = (0, 1), mark: float | None = None
) -> str:
    """A share as a number with its interval drawn on a line. scale: what the line's ends stand for. mark: to compare
    with."""
    places = {"at": at, "low": low, "high": high, "mark": at if mark is None else mark}
    size = scale[1] - scale[0]
    style = ";".join(f"--{key}:{100 * (value - scale[0]) / size:.1f}%" for key, value in places.items())
    return f'<td class="number range" data-value="{100 * at:.2f}" style="{style}">{100 * at:.1f}</td>'


def change_bar(change: float, largest: float) -> str:
    """A difference of shares in points with a bar to the right or, where it is negative, to the left."""
    if math.isnan(change):
        return number("–", -1000)
    side, size = ("more" if change > 0 else "less"), 50 * abs(change) / max(largest, 1e-9)
    kind = f"number change {side}" if change else "number change"
    return f'<td class="{kind}" data-value="{100 * change:.2f}" style="--size:{size:.1f}%">{points(change)}</td>'


def points(change: float) -> str:
    """A difference of shares in points, with its sign."""
    rounded = round(100 * change, 1)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else '±'}{abs(rounded):.1f}"


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}\N{NO-BREAK SPACE}%"


def span(bounds: tuple[float, float]) -> str:
    """An interval of shares, in percent."""
    return f"{100 * bounds[0]:.1f} – {100 * bounds[1]:.1f}"


def text(value: object) -> str:
    return escape(plain_name(value))


def part(file: str) -> str:
    return (resources.files("kinegraph.report") / file).read_text(encoding="utf-8")
