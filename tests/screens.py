"""Pictures of pages for people to look at: light, dark, as wide as a phone, and printed.

    python -m tests.screens OUT PAGE.html ... [http://127.0.0.1:8000] ["http://127.0.0.1:8000 JAVASCRIPT"]

What follows an address is done on the page before the picture. CI keeps them as artefacts. Without a browser it says so
and writes nothing. Raises SystemExit 1 where a page writes to the console, asks for something from elsewhere, or is
wider than its window.
"""

import base64
import re
import sys
import time
from pathlib import Path

from tests.browser import BROWSER, Page, open_page

LOOKS = {  # name -> width, dark, phone
    "light": (1100, False, False),
    "dark": (1100, True, False),
    "phone": (390, False, True),
    "phone_dark": (390, True, True),
}
HIGHEST = 3000  # pixels of a picture


def name_of(page: str) -> str:
    """The name of its pictures."""
    parts = [part for part in re.split(r"[/\\:.]+", page.removesuffix(".html")) if part]
    return "_".join(parts[-3:])


def faults_of(page: Page) -> list[str]:
    """What a page does that it should not."""
    across = page.run("[document.documentElement.scrollWidth, innerWidth]")
    wide = [f"{across[0]} pixels wide in a window of {across[1]}"] if across[0] > across[1] else []
    return [*page.messages, *wide]


def printed(page: Page) -> bytes:
    a4 = {"paperWidth": 210 / 25.4, "paperHeight": 297 / 25.4}
    found = page.call("Page.printToPDF", printBackground=True, **a4)
    return base64.b64decode(found["data"])


def main(out: Path, pages: list[str]) -> int:
    if BROWSER is None:
        print("no Chromium is installed: no pictures")
        return 0
    out.mkdir(parents=True, exist_ok=True)
    faults = 0
    for number, given in enumerate(pages):
        page, _, script = given.partition(" ")
        where = page if page.startswith("http") else Path(page)
        name = name_of(page) + f"_{number}" * bool(script)
        for look, (width, dark, phone) in LOOKS.items():
            with open_page(where, width, 900, dark=dark, phone=phone) as opened:
                if script:
                    opened.run(script)
                    time.sleep(3)  # an answer
                time.sleep(0.5)  # the first pictures of players
                high = opened.run("Math.ceil(document.documentElement.scrollHeight)")
                size = {"width": width, "height": min(max(int(high), 900), HIGHEST)}
                opened.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=phone)
                opened.screenshot(out / f"{name}_{look}.png")
                for fault in faults_of(opened):
                    print(f"{page} ({look}): {fault}")
                    faults += 1
                if look == "light":
                    (out / f"{name}.pdf").write_bytes(printed(opened))
    print(f"{len(pages)} pages in {out}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
