"""The page for people: one file that needs nothing but this server."""

import secrets
from functools import cache
from importlib import resources

from kinegraph.report.colours import DARK, LIGHT, css_variables
from kinegraph.report.page import part as report_part
from kinegraph.report.player import player_css

SCRIPTS = ("serve_live", "serve_board", "serve_sources", "serve_files", "serve")


def page_html() -> tuple[str, str]:
    """The page, and the word that its script carries: no other script runs in it."""
    nonce = secrets.token_urlsafe(16)
    return _page().replace("NONCE", nonce), nonce


def policy(nonce: str, host: str) -> str:
    """What the page may load: its own script, and connections to this server."""
    own = host if host.replace(".", "").replace(":", "").replace("-", "").strip("[]").isalnum() else ""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:; "
        f"media-src blob:; connect-src 'self' ws://{own} wss://{own}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


@cache
def _page() -> str:
    light, dark = css_variables(LIGHT), css_variables(DARK)
    colours = f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    style = f"{colours}\n{part('serve.css')}\n{player_css()}"
    script = "\n".join(
        [report_part("player_stage.js"), report_part("player.js"), report_part("player_parts.js")]
        + [part(f"{name}.js") for name in SCRIPTS]
    )
    return part("serve.html").replace("STYLE", style).replace("SCRIPT", f"(() => {{\n{script}\n}})();")


def part(file: str) -> str:
    """A file of this package."""
    return (resources.files("kinegraph.serve") / file).read_text(encoding="utf-8")
