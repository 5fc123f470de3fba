"""Who may ask: the Host and Origin headers, and the token. Requests that do not fit never reach the application.

A page of another site that the user's browser shows must not use this server. Such a page sends its own Origin. Or its
name was pointed at this machine (DNS rebinding): then Host is its name, and no address of this server.
"""

import hmac
from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PUBLIC = ("/", "/healthz", "/openapi.json")  # they hold nothing of the user's


@dataclass(frozen=True)
class Refusal:
    """status: of HTTP."""

    status: int
    reason: str


@dataclass(frozen=True, eq=False)
class Guard:
    """An ASGI application around another one. names: that the server may be asked by, beside addresses."""

    app: ASGIApp
    names: tuple[str, ...]
    token: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        refusal = None if scope["type"] == "lifespan" else refused(scope, self.names, self.token)
        if refusal is None:
            with suppress(CancelledError):  # the server ends, and what it still answers with it
                await self.app({**scope, "abort": abort_of(send)}, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason[:100]})
        else:
            headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
            await JSONResponse({"error": refusal.reason}, refusal.status, headers)(scope, receive, send)


def abort_of(send: Send) -> Callable[[], None]:
    """A function that ends the connection at once; ASGI has none, and closing waits for a client that does not read."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return getattr(transport, "abort", lambda: None)


def refused(scope: Scope, names: Sequence[str], token: str | None) -> Refusal | None:
    """The answer that refuses a request; None for a request that is allowed."""
    headers = Headers(scope=scope)
    asked = headers.get("host", "")
    if not is_own_name(name_of(asked), names):
        return Refusal(421, f"the Host header is '{asked[:60]}', expected an address of this machine, or --name")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != asked.lower():
        return Refusal(403, f"pages of {origin[:60]} may not use this server, only its own page")
    if token is None or scope["path"] in PUBLIC:
        return None
    given = given_token(headers, parse_qs(scope.get("query_string", b"").decode("latin-1")))
    if not hmac.compare_digest(given.encode(), token.encode()):
        return Refusal(401, "the token is missing or wrong: send Authorization: Bearer TOKEN, or ?token=TOKEN")
    return None


def given_token(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> str:
    """The token of a header or, as browsers give none to a socket, of the address."""
    kind, _, word = headers.get("authorization", "").partition(" ")
    return word.strip() if kind.lower() == "bearer" else query.get("token", [""])[0]


def name_of(host: str) -> str:
    """A Host header without its port."""
    return host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]


def is_own_name(name: str, names: Sequence[str]) -> bool:
    """Whether a Host header names this server: an address needs no DNS, so it cannot be rebound."""
    try:
        ip_address(name)
    except ValueError:
        return name.lower() in ("localhost", *(known.lower() for known in names))
    return True
