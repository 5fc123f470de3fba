"""The server: a page, answers about recordings (`POST /predict`), a socket for frames (`/stream`), one to watch them.

Recordings are read in a process of their own, frames are answered in threads of this one: neither waits for the other.
"""

import asyncio
import json
import secrets
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from kinegraph import __version__
from kinegraph.data.formats.json_frame import LONGEST
from kinegraph.data.pose.estimators import Estimator
from kinegraph.inference.exported import Exported
from kinegraph.inference.streaming.session import Session
from kinegraph.messages import megabytes, one_line
from kinegraph.report.colours import DARK, LIGHT, css_variables
from kinegraph.report.page import part as report_part
from kinegraph.report.player import player_css
from kinegraph.serve.guard import Guard
from kinegraph.serve.jobs import Busy, Jobs
from kinegraph.serve.openapi import described
from kinegraph.serve.recordings import CLIP, OWN, Asking, asking_of, job_of, upload_name
from kinegraph.serve.streams import Hub, OpenStream, StreamAsking, Viewer, stream_asking
from kinegraph.skeleton.layout import layout_names

if TYPE_CHECKING:  # torch takes seconds to import, and an exported network does without it
    from kinegraph.models.weights import Weights


UPLOAD_TIME = 600.0  # seconds that an upload may take
READ_TIME = 20.0  # seconds that a client may leave an answer unread
MOST_WRONG = 50  # messages in a row that cannot be read
AGAIN = {"Retry-After": "5"}
SCRIPTS = ("serve_live", "serve_board", "serve_sources", "serve_files", "serve")


@dataclass(frozen=True, eq=False)
class Server:
    """What the server was started with. make: a session for a stream. estimator: of pictures, or why there is none.

    names: further ones than host that the server may be asked by. usual: options of a stream that the command line
    changes. most_streams: sockets that are open at once.
    """

    weights: "Weights | Exported"
    name: str
    make: Callable[[StreamAsking], Session]
    jobs: Jobs
    estimator: Estimator | str
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    token: str | None = None
    max_upload: int = 200_000_000
    most_streams: int = 50
    usual: Mapping[str, object] = field(default_factory=dict)
    hub: Hub = field(default_factory=Hub)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "frames"))


def app_of(server: Server) -> ASGIApp:
    """The application; every request passes the guard."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        server.jobs.start()
        try:
            yield
        finally:
            server.jobs.stop()
            server.threads.shutdown(wait=False, cancel_futures=True)

    routes = [
        Route("/", partial(page, server)),
        Route("/healthz", healthz),
        Route("/openapi.json", partial(openapi, server)),
        Route("/about", partial(about, server)),
        Route("/predict", partial(predict, server), methods=["POST"]),
        WebSocketRoute("/stream", partial(stream, server)),
        WebSocketRoute("/watch", partial(watch, server)),
    ]
    names = (server.host, *server.names)
    handlers: Any = {404: not_there, 405: not_there}
    return Guard(Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers), names, server.token)


async def page(server: Server, request: Request) -> Response:
    """The page for people."""
    content, nonce = page_html()
    return HTMLResponse(content, headers={"Content-Security-Policy": policy(nonce, request.headers.get("host", ""))})


async def healthz(request: Request) -> Response:
    """Whether the server runs."""
    return JSONResponse({"status": "ok"})


async def openapi(server: Server, request: Request) -> Response:
    """The description for programs."""
    return JSONResponse(described(__version__))


async def about(server: Server, request: Request) -> Response:
    """What a page or a program has to know of the server."""
    known = server.weights
    return JSONResponse(
        {
            "version": __version__,
            "weights": server.name,
            "class_names": list(known.class_names),
            "layout": known.layout.name if known.layout else None,
            "layouts": list(layout_names()),
            "max_upload": server.max_upload,
            "camera": None if isinstance(server.estimator, Estimator) else server.estimator,
            "video": isinstance(server.estimator, Estimator) and find_spec("av") is not None,
            "streams": len(server.hub.streams),
        }
    )


async def not_there(request: Request, error: Any) -> Response:
    """A line for another address or method."""
    known = "GET /, /about, /healthz, /openapi.json, POST /predict, sockets /stream and /watch"
    status = error.status_code
    return JSONResponse({"error": f"{request.method} {request.url.path} is not there: there are {known}"}, status)


# ---- a recording -----------------------------------------------------------------------------------------------------


async def predict(server: Server, request: Request) -> Response:
    """The answers to the recording in the body."""
    query = {name: text for name, text in request.query_params.items() if name != "token"}
    given = query.pop("name", None)
    try:
        asking = asking_of(query, server.weights.layout.name if server.weights.layout else OWN)
        name = CLIP if given is None else upload_name(given)
        if given is None and not request.headers.get("content-type", "").startswith("application/json"):
            raise ValueError("name is missing: POST /predict?name=recording.csv, or a clip as application/json")
    except ValueError as error:
        await _dropped(request, server.max_upload)
        return _refused(400, one_line(error))
    if int(request.headers.get("content-length", "0")) > server.max_upload:
        return _too_large(server)
    try:
        with server.jobs.place(), TemporaryDirectory(prefix="kinegraph-serve-") as folder:
            path = Path(folder) / "a" / "b" / name  # formats look for files beside: above it is nothing but this folder
            path.parent.mkdir(parents=True)
            async with asyncio.timeout(UPLOAD_TIME):
                if not await _received(request, path, server.max_upload):
                    return _too_large(server)
            return await _answered(server, path, given or "the clip", asking)
    except Busy:
        await _dropped(request, server.max_upload)
        return _refused(503, f"{server.jobs.waiting} recordings wait or are uploaded already; ask again later", AGAIN)
    except (TimeoutError, ClientDisconnect):
        return _refused(408, "the upload did not end in time")
    except OSError as error:
        print(f"kinegraph: an upload cannot be kept: {error}", file=sys.stderr, flush=True)
        return _refused(507, f"the upload cannot be kept: {error.strerror or 'the disk is full'}")


async def _dropped(request: Request, most: int) -> None:
    """Read the body of a request that is refused: a client that still sends would see a lost connection, no reason."""
    size = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(UPLOAD_TIME):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    return


async def _received(request: Request, path: Path, most: int) -> bool:
    """Write the body into a file; False where it is too large."""
    size = 0
    with path.open("wb") as file:
        async for part in request.stream():
            size += len(part)
            if size > most:
                return False
            await asyncio.to_thread(file.write, part)
    return True


async def _answered(server: Server, path: Path, name: str, asking: Asking) -> Response:
    try:
        found = await server.jobs.run(job_of(path, name, asking))
    except TimeoutError:
        return _refused(504, f"{name} took more than {server.jobs.seconds:g} s; give a shorter recording")
    except ConnectionError:
        return _refused(500, f"reading {name} ended the process that did it; the server goes on")
    if "answer" in found:
        return JSONResponse(found["answer"])
    return _refused(500 if found["ours"] else 422, found["error"])


def _refused(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": reason}, status, headers)


def _too_large(server: Server) -> Response:
    most = megabytes(server.max_upload, 0)
    return _refused(413, f"the upload is too large, expected at most {most} (--max-upload)", {"Connection": "close"})


# ---- frames ----------------------------------------------------------------------------------------------------------


async def stream(server: Server, socket: WebSocket) -> None:
    """Frames of a program or a camera in, answers out, until the client leaves."""
    await socket.accept()
    query = {name: text for name, text in socket.query_params.items() if name != "token"}
    if len(server.hub.streams) + server.hub.opening >= server.most_streams:
        return await _closed(socket, f"{server.most_streams} streams are open already; try again later", 1008)
    server.hub.opening += 1
    try:
        opened = await _in_thread(server, _opened, server, query)
    except ValueError as error:
        return await _closed(socket, one_line(error), 1008)
    finally:
        server.hub.opening -= 1
    number = server.hub.add(opened)
    try:
        with suppress(
            TimeoutError, WebSocketDisconnect, RuntimeError, OSError
        ):  # the client has left, or does not read
            await _streamed(server, socket, opened, number)
        server.hub.publish(number, await _in_thread(server, opened.finish))
    finally:
        server.hub.remove(number)


def _opened(server: Server, query: Mapping[str, str]) -> OpenStream:
    asking = stream_asking(query, server.usual)
    if asking.camera and isinstance(server.estimator, str):
        raise ValueError(server.estimator)
    estimator = server.estimator if asking.camera and isinstance(server.estimator, Estimator) else None
    return OpenStream(server.make, asking, estimator)


async def _streamed(server: Server, socket: WebSocket, opened: OpenStream, number: int) -> None:
    wrong = 0
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        content = message.get("text") or message.get("bytes") or ""
        try:
            found = await _in_thread(server, _taken, opened, content)
        except ValueError as error:
            found = [{"kind": "error", "error": one_line(error)}]
        except Failed as error:
            return await _closed(socket, str(error), 1011)
        wrong = wrong + 1 if found and all(message["kind"] == "error" for message in found) else 0
        server.hub.publish(number, found)
        for each in opened.wanted(found):
            await _sent(socket, each)
        if wrong >= MOST_WRONG:
            return await _closed(socket, f"{wrong} messages in a row could not be read", 1008)


class Failed(Exception):
    """A stream could not be answered, and its client cannot help it."""


def _taken(opened: OpenStream, content: str | bytes) -> list[dict[str, Any]]:
    """What follows from a message; an empty one ends the recording. Raises ValueError for a wrong one, and Failed."""
    try:
        return opened.take(content) if content else opened.finish()
    except ValueError:
        raise
    except Exception as error:  # such as a GPU's memory that is full
        traceback.print_exc()
        raise Failed(f"{type(error).__name__} in a stream; the server's terminal says more") from None


async def watch(server: Server, socket: WebSocket) -> None:
    """What happens in the streams of others, for a page. {"watch": NUMBER} chooses the stream."""
    await socket.accept()
    if len(server.hub.viewers) >= server.most_streams:
        return await _closed(socket, f"{server.most_streams} pages watch already", 1008)
    viewer = Viewer()
    server.hub.join(viewer)

    async def given() -> None:
        while True:
            await _sent(socket, await viewer.queue.get())

    sending = asyncio.create_task(given())
    try:
        while not sending.done():
            receiving = asyncio.create_task(socket.receive_json())
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                receiving.cancel()
                break
            asked = receiving.result()
            number = asked.get("watch") if isinstance(asked, dict) else None
            if type(number) is int:
                server.hub.choose(viewer, number)
    except (WebSocketDisconnect, ValueError, KeyError, RuntimeError):
        pass
    finally:
        sending.cancel()
        server.hub.leave(viewer)


async def _in_thread(server: Server, function: Callable[..., Any], *arguments: object) -> Any:
    return await asyncio.get_running_loop().run_in_executor(server.threads, function, *arguments)


async def _sent(socket: WebSocket, message: Mapping[str, Any]) -> None:
    try:
        async with asyncio.timeout(READ_TIME):
            await socket.send_text(json.dumps(message, ensure_ascii=False))
    except TimeoutError:  # the client does not read
        socket.scope["abort"]()
        raise


async def _closed(socket: WebSocket, reason: str, code: int) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):
        await _sent(socket, {"kind": "error", "error": reason})
        await socket.close(code, reason.encode()[:120].decode(errors="ignore"))


SOCKET_SIZE = LONGEST  # bytes of a message


# ---- the page for people: one file that needs nothing but this server ------------------------------------------------


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
