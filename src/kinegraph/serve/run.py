"""Starting and stopping the server: its socket and its limits."""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import uvicorn

from kinegraph.data.pose.estimators import Estimator, estimator
from kinegraph.inference.exported import Exported
from kinegraph.inference.trained_network import answering, asked_of
from kinegraph.messages import one_line
from kinegraph.serve.app import SOCKET_SIZE, Server, app_of

if TYPE_CHECKING:  # torch takes seconds to import, and an exported network does without it
    from kinegraph.models.weights import Weights

CONNECTIONS = 200  # at once; further ones are refused


def estimator_or_reason(pose: str | None) -> Estimator | str:
    """What sees people in pictures, or why nothing does. Raises ValueError where one was asked for by name."""
    try:
        return estimator(pose)
    except ValueError as error:
        if pose is not None:
            raise
        return one_line(error)


def computed_by(
    known: "Weights | Exported", device: str, engine: str, say: Callable[[str], None]
) -> "Weights | Exported":
    """The network for streams as an engine computes it; as it is where each frame is computed once, by torch.

    say: gets a line about the engine, which also answers recordings. Raises ValueError where it is not possible.
    """
    chosen = answering(asked_of(known), device, engine, say)
    if isinstance(chosen, Exported) and isinstance(known, Exported):
        return chosen
    from kinegraph.inference.streaming.exact import frame_by_frame
    from kinegraph.models.weights import Weights

    assert isinstance(known, Weights)
    if not isinstance(frame_by_frame(known.model, chosen.preprocessing), str):
        say("engine: streams are computed by torch, each frame once")
        return known
    return chosen if isinstance(chosen, Exported) else replace(known, model=chosen.network)


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
