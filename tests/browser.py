"""A headless Chromium for tests that look at pages: opened, clicked, photographed over the DevTools protocol.

A small client of its own, so that tests need a browser and nothing else.
"""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
FLAGS = [
    *("--headless=new", "--remote-debugging-port=0", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-background-networking"),
    *("--disable-component-update", "--mute-audio"),
]


class Page:
    """An open page. `messages`: what it wrote to the console or threw, and requests that it made beyond its file."""

    def __init__(self, connection: socket.socket):
        self._socket, self._count, self._rest = connection, 0, b""
        self.messages: list[str] = []
        self.own = ""

    def look(self, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """How the page is looked at. phone: touch, and two pixels for one."""
        self.size(width, height, 2 if phone else 1, phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def size(self, width: int, height: int, scale: int = 1, phone: bool = False) -> None:
        form = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **form)

    def go(self, path: Path | str) -> None:
        """Open an HTML file or an address."""
        self.own = path if isinstance(path, str) else path.resolve().as_uri()
        self.call("Page.navigate", url=self.own)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> object:
        """The value of a JavaScript expression (awaited, if it is a promise). Raises RuntimeError where it throws."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "script failed"))
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 10) -> object:
        """The first true value of an expression."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise TimeoutError(f"{script} is still {value!r} after {seconds} s; console: {self.messages}")
            time.sleep(0.02)
        return value

    def click(self, selector: str, across: float = 0.5, down: float = 0.5) -> None:
        """Press and release the mouse on an element, by default in its middle."""
        x, y = self.spot(selector, across, down)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def spot(self, selector: str, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        found = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{found}.scrollIntoView({{block: 'nearest'}})")
        box = self.run(f"(({{x, y, width, height}}) => [x, y, width, height])({found}.getBoundingClientRect())")
        return box[0] + across * box[2], box[1] + down * box[3]

    def mouse(self, kind: str, x: float, y: float) -> None:
        """kind: mousePressed, mouseMoved or mouseReleased."""
        held = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=1, **held)

    def hover(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def key(self, key: str) -> None:
        """Press a key, such as "ArrowRight" or " "."""
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}))

    def screenshot(self, path: Path, whole: bool = False) -> Path:
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    def call(self, method: str, **parameters: object) -> dict:
        """One command of the protocol, and its result."""
        self._count += 1
        self._send(json.dumps({"id": self._count, "method": method, "params": parameters}).encode())
        while True:
            answer = json.loads(self._receive())
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer)

    def _note(self, answer: dict) -> None:
        match answer.get("method"):
            case "Runtime.exceptionThrown":
                details = answer["params"]["exceptionDetails"]
                self.messages.append(details.get("exception", {}).get("description", details["text"]))
            case "Runtime.consoleAPICalled":
                self.messages.append(" ".join(str(word.get("value", "")) for word in answer["params"]["args"]))
            case "Log.entryAdded":
                self.messages.append(answer["params"]["entry"]["text"])
            case "Network.requestWillBeSent" if not answer["params"]["request"]["url"].startswith(
                ("file:", "data:", *([self.own] if self.own.startswith("http") else []))
            ):
                self.messages.append(f"request to {answer['params']['request']['url']}")

    def _send(self, data: bytes) -> None:
        """A WebSocket text frame; a client's are masked, here by zeros."""
        size = len(data)
        head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBQ", 0x81, 0xFF, size)
        self._socket.sendall(head + bytes(4) + data)

    def _receive(self) -> bytes:
        message = b""
        while True:
            first, size = self._take(2)
            size &= 0x7F
            if size > 125:
                size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
            message += self._take(size)
            if first & 0x80:
                return message

    def _take(self, count: int) -> bytes:
        while len(self._rest) < count:
            if not (more := self._socket.recv(1 << 20)):
                raise ConnectionError("the browser closed the connection")
            self._rest += more
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken


@contextmanager
def open_page(
    path: Path | str,
    width: int = 1000,
    height: int = 900,
    dark: bool = False,
    phone: bool = False,
    flags: Sequence[str] = (),
) -> Iterator[Page]:
    """The page of an HTML file or of an address in a browser of its own. phone: touch, and two pixels for one."""
    with TemporaryDirectory(prefix="kinegraph-browser-", ignore_cleanup_errors=True) as profile:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = os.environ | {"HOME": profile}
        browser = subprocess.Popen(
            [BROWSER, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"], env=environment, **quiet
        )
        try:
            page = Page(_connection(browser, Path(profile) / "DevToolsActivePort"))
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.call(f"{domain}.enable")
            page.look(width, height, dark, phone)
            page.go(path)
            yield page
        finally:
            browser.terminate()
            try:
                browser.wait(10)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait()


def _connection(browser: subprocess.Popen, port_file: Path, seconds: float = 30) -> socket.socket:
    """A WebSocket to the browser's first tab."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and browser.poll() is None:
        try:
            port = int(port_file.read_text().split()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
            where = tabs[0]["webSocketDebuggerUrl"].partition("://")[2].partition("/")[2]
        except (OSError, ValueError, IndexError):
            time.sleep(0.05)
            continue
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET /{where} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1)
        return connection
    raise TimeoutError(f"the browser did not start (exit code {browser.poll()})")
