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


def photographed(page: Page, out: Path, name: str, look: str, script: str) -> None:
    """Write the picture of an open page in one of LOOKS: as high as the page, at most HIGHEST."""
    width, dark, phone = LOOKS[look]
    page.look(width, 900, dark, phone)
    page.call("Page.reload")
    time.sleep(0.1)  # the old page is complete
    page.until("document.readyState === 'complete'")
    if script:
        page.run(script)
        time.sleep(3)  # an answer
    high = page.run("Math.ceil(document.documentElement.scrollHeight)")
    page.size(width, min(max(int(high), 900), HIGHEST), phone=phone)
    time.sleep(0.5)  # players draw where they are in sight
    page.screenshot(out / f"{name}_{look}.png")


def main(out: Path, pages: list[str]) -> int:
    if BROWSER is None:
        print("no Chromium is installed: no pictures")
        return 0
    out.mkdir(parents=True, exist_ok=True)
    faults = 0
    for number, given in enumerate(pages):
        where, _, script = given.partition(" ")
        name = name_of(where) + f"_{number}" * bool(script)
        with open_page(where if where.startswith("http") else Path(where)) as page:
            for look in LOOKS:
                photographed(page, out, name, look, script)
                for fault in faults_of(page):
                    print(f"{where} ({look}): {fault}")
                    faults += 1
                page.messages.clear()
                if look == "light":
                    (out / f"{name}.pdf").write_bytes(printed(page))
    print(f"{len(pages)} pages in {out}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
