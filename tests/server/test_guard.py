"""Who is let in: by host, page and key."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from chargen.server.exchange import Exchange
from chargen.server.guard import AllowedHosts, Guard, is_loopback
from tests.support.asgi import Call

PAGE = "https://chat.example.com"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await Exchange(scope, receive, send).answer(200, b"{}")


def call(
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    path: str = "/v1/completions",
    host: str = "127.0.0.1",
    allowed: tuple[str, ...] = (),
    **options: Any,
) -> Call:
    """The answer to one request."""

    async def answer() -> Call:
        guard = Guard(app, hosts=AllowedHosts(host, allowed), **options)
        return await Call(guard, method, path, headers=headers).answer()

    return asyncio.run(answer())


# -- hosts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1", "127.0.0.1:8080", "127.9.9.9",
        "[::1]", "[::1]:8080",
    ],
)  # fmt: skip
def test_this_machine_may_be_called_by_its_own_names(host: str) -> None:
    assert call({"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example",
        "192.168.0.7", "", "localhost:8080@evil.example", "[::1", "127.0.0.1:80:80", "a b",
    ],
)  # fmt: skip
def test_no_other_name_may_be_made_to_point_here(host: str) -> None:
    refused = call({"host": host})
    assert (refused.status, refused.error["code"]) == (403, "host_not_allowed")
    assert "--allowed-host" in refused.error["message"]


def test_names_may_be_added() -> None:
    named = {"host": "models.example.com"}
    assert call(named, host="models.example.com").status == 200
    assert call(named, allowed=("Models.example.com",)).status == 200
    assert call(named, allowed=("*",)).status == 200
    assert call(named, allowed=("example.com",)).status == 403


def test_who_listens_to_others_has_addresses_that_no_web_site_can_take() -> None:
    for host in ("192.168.0.7:8080", "[2001:db8::7]", "localhost", socket.gethostname()):
        assert call({"host": host}, host="0.0.0.0").status == 200
    assert call({"host": "evil.example"}, host="0.0.0.0").status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_what_is_loopback(host: str) -> None:
    assert is_loopback(host)
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example.com")


# -- pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [PAGE, "null", "http://localhost:3000", "https://localhost"])
def test_pages_of_others_are_refused(origin: str) -> None:
    refused = call({"origin": origin})
    assert (refused.status, refused.error["code"]) == (403, "origin_not_allowed")
    assert not any("access-control" in name for name in refused.headers)


def test_its_own_pages_may_use_the_server_also_behind_a_proxy() -> None:
    assert call({"origin": "http://localhost:8080"}).status == 200
    through_proxy = {"origin": PAGE, "host": "chat.example.com"}
    assert call(through_proxy, allowed=("chat.example.com",)).status == 200


def test_a_page_that_is_allowed_reads_answers_and_errors() -> None:
    right, wrong = {"authorization": "Bearer key"}, {"authorization": "Bearer no"}
    for headers, status in ((right, 200), (wrong, 401), ({}, 401)):
        answer = call(headers | {"origin": PAGE}, origins=(PAGE,), api_key="key")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, PAGE)
    other = call({"origin": "https://evil.example"}, origins=(PAGE,))
    assert (other.status, other.headers.get("access-control-allow-origin")) == (403, None)
    assert call({"origin": "https://any.example"}, origins=("*",)).status == 200


def test_a_preflight_needs_no_key() -> None:
    asked = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-stainless-os",
    }
    allowed = call(asked, method="OPTIONS", origins=(PAGE,), api_key="key")
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "x-stainless-os" in allowed.headers["access-control-allow-headers"]
    assert call(asked, method="OPTIONS").status == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_what_any_page_may_send_unasked_is_taken_from_none(kind: str) -> None:
    page = {"origin": "http://localhost:8080"}
    assert call({"content-type": kind}).status == 200  # curl -d
    assert call({"content-type": kind} | page).status == 415
    assert call({"content-type": "application/json; charset=utf-8"} | page).status == 200


# -- the key ----------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["Bearer key", "bearer key", "Bearer  key"])
def test_who_knows_the_key_is_let_in(given: str) -> None:
    assert call({"authorization": given}, api_key="key").status == 200


@pytest.mark.parametrize(
    "given",
    [None, "", "key", "Bearer", "Bearer ", "Bearer ke", "Bearer keys", "Basic key", "Bearer k\xe9"],
)  # fmt: skip
def test_nobody_else_is(given: str | None) -> None:
    headers = {} if given is None else {"authorization": given}
    for path in ("/v1/completions", "/v1/models", "/page/files", "//", "/health/../v1/models"):
        refused = call(headers, path=path, api_key="key")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.error["code"] == "invalid_api_key"
        assert "key" not in refused.error["message"].replace("API key", "")


@pytest.mark.parametrize("path", ["/", "/health", "/health/", "/v1/health", "/v1/health/"])
def test_probes_and_the_page_need_no_key(path: str) -> None:
    assert call(path=path, method="GET", api_key="key").status == 200


def test_what_is_refused_is_logged() -> None:
    answered: list[Exchange] = []
    call(api_key="key", on_answered=answered.append)
    assert [(exchange.path, exchange.status) for exchange in answered] == [("/v1/completions", 401)]
