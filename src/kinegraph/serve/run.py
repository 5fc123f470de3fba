"""Running the server: its socket, its limits, and its end."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from kinegraph.data.pose.estimators import Estimator, estimator
from kinegraph.messages import one_line
from kinegraph.serve.app import SOCKET_SIZE, Server, app_of

CONNECTIONS = 200  # at once; further ones are refused


def estimator_or_reason(pose: str | None) -> Estimator | str:
    """What sees people in pictures, or why nothing does. Raises ValueError where one was asked for by name."""
    try:
        return estimator(pose)
    except ValueError as error:
        if pose is not None:
            raise
        return one_line(error)


def run(server: Server, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. Raises ValueError where host and port cannot be taken."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((server.host, port))
            listening.listen(CONNECTIONS)  # whoever comes before all is ready waits
        except OSError as error:
            raise ValueError(f"{server.host}:{port} cannot be taken: {error.strerror or error}; try --port") from None
        name = f"[{server.host}]" if ":" in server.host else server.host
        fragment = f"/#token={server.token}" if server.token else ""
        say(f"http://{name}:{listening.getsockname()[1]}{fragment}  (Ctrl-C ends it)")
        config = uvicorn.Config(
            app_of(server), log_level="warning", access_log=False, ws="websockets-sansio", lifespan="on",
            ws_max_size=SOCKET_SIZE, ws_max_queue=8, limit_concurrency=CONNECTIONS, ws_ping_interval=30,
            ws_ping_timeout=90, timeout_graceful_shutdown=3,
            server_header=False, proxy_headers=False,
        )  # fmt: skip
        with suppress(KeyboardInterrupt):  # the usual end
            uvicorn.Server(config).run(sockets=[listening])
