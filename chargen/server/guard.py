"""Who is let in: by the host that a request is addressed to, the page that sends it, and its key.

Any web site can have a browser send requests to a server on the same machine. Its `Origin` gives it
away; and where the site's own name is made to point to this machine (DNS rebinding), the `Host`
does. Plain ASGI; knows no routes but those that are open to all.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from chargen.server.exchange import Exchange, OnAnswered
from chargen.server.openai_errors import ApiError

ANY = "*"
# To probes, which have no key, and to browsers: the page holds no model, and asks for the key.
OPEN_PATHS = ("", "/health", "/v1/health")
# A page may send any other type to another site without asking that first.
JSON_TYPES = ("", "application/json")
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(?::\d{1,5})?")


class Guard:
    """An app behind the checks. `hosts` are the names that it may be addressed by; `origins` those
    of the pages of other servers that may use it; `api_key` what a client has to know, if
    anything."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: AllowedHosts,
        origins: Collection[str] = (),
        api_key: str | None = None,
        on_answered: OnAnswered = lambda exchange: None,
    ) -> None:
        self._app = app
        self._on_answered = on_answered
        self._hosts = hosts
        self._origins = frozenset(origins)
        self._authorization = None if api_key is None else api_key.encode()
        self._inside: ASGIApp = self._with_key
        if origins:
            # Before the key: a preflight has none, and the page of a client should see a 401.
            self._inside = CORSMiddleware(
                self._with_key,
                allow_origins=tuple(origins),
                allow_methods=("GET", "POST"),
                allow_headers=(ANY,),
                expose_headers=("retry-after",),
                allow_private_network=True,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # nothing else is served
            return
        error = self._stranger(Headers(scope=scope))
        if error is not None:
            await self._refuse(error, scope, receive, send)
        else:
            await self._inside(scope, receive, send)

    def _stranger(self, headers: Headers) -> ApiError | None:
        """Why a request is none of ours, if it is not."""
        hosts = headers.getlist("host")
        for host in hosts:
            if host not in self._hosts:
                name = _name(host) or host[:100]
                return ApiError(
                    f"this server does not answer to the name {name!r}; if it should, start it "
                    f"with --allowed-host {name}",
                    status=403,
                    code="host_not_allowed",
                )
        for origin in headers.getlist("origin"):
            own = origin.partition("://")[2].lower() in map(str.lower, hosts)
            if not own and origin not in self._origins and ANY not in self._origins:
                return ApiError(
                    f"pages of {origin[:100]!r} may not use this server; to let them, start it "
                    f"with --cors-origin {origin[:100]}",
                    status=403,
                    code="origin_not_allowed",
                )
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in JSON_TYPES:
                return ApiError(f"the body of a page must be JSON, not {kind[:100]}", status=415)
        return None

    async def _with_key(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._knows_key(scope):
            await self._app(scope, receive, send)
            return
        given = "authorization" in Headers(scope=scope)
        error = ApiError(
            ("the API key is wrong" if given else "an API key is needed")
            + "; it is sent as a header: Authorization: Bearer KEY",
            status=401,
            code="invalid_api_key",
        )
        await self._refuse(error, scope, receive, send)

    async def _refuse(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        await exchange.refuse(error)
        self._on_answered(exchange)

    def _knows_key(self, scope: Scope) -> bool:
        if self._authorization is None or scope["path"].removesuffix("/") in OPEN_PATHS:
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, key = given.partition(b" ")
        is_right = hmac.compare_digest(key.strip(), self._authorization)
        return is_right and scheme.lower() == b"bearer"


class AllowedHosts:
    """The names that a server may be addressed by, which listens on `host`: on this machine alone
    those of this machine, for others any address and this machine's own name, and what was
    `allowed` besides."""

    def __init__(self, host: str, allowed: Collection[str] = ()) -> None:
        self._is_any = ANY in allowed
        self._is_local = is_loopback(host)
        own = () if self._is_local else own_names()
        self._names = {name.lower().rstrip(".") for name in ("localhost", host, *own, *allowed)}

    def __contains__(self, host: str) -> bool:
        """Whether a `Host` header, which may name a port, is one of them."""
        name = _name(host)
        if self._is_any or name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name or "")
        except ValueError:
            return False
        return address.is_loopback or not self._is_local


def _name(host: str) -> str | None:
    """The name or address in a `Host` header; None where it is none."""
    found = _AUTHORITY.fullmatch(host.strip())
    return found and found[1].strip("[]").lower().rstrip(".")


def is_loopback(host: str) -> bool:
    """Whether who listens there can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def own_names() -> list[str]:
    """What this machine calls itself, as a whole and without its domain."""
    name = socket.gethostname()
    short = name.partition(".")[0]
    return [name, short, f"{short}.local"]
