"""What goes wrong is told so that the openai package raises the exception that it stands for."""

from __future__ import annotations

from pathlib import Path

import httpx2
import openai
import pytest

from chargen.errors import (
    ChargenError,
    CheckpointError,
    ConfigError,
    TokenizerError,
    action,
    named,
    setting,
)
from chargen.runtime.files import decode_any
from chargen.server.openai_errors import MAX_MESSAGE, ApiError, api_error


def raised_by(error: ApiError) -> openai.APIStatusError:
    """What the package makes of an answer with this error."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "application/json"}
        return httpx2.Response(error.status, content=error.envelope(), headers=headers)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        client = openai.OpenAI(
            api_key="any", base_url="http://chargen/v1", http_client=http, max_retries=0
        )
        with pytest.raises(openai.APIStatusError) as caught:
            client.models.list()
    return caught.value


@pytest.mark.parametrize(
    ("status", "exception", "kind"),
    [
        (400, openai.BadRequestError, "invalid_request_error"),
        (401, openai.AuthenticationError, "authentication_error"),
        (403, openai.PermissionDeniedError, "permission_error"),
        (404, openai.NotFoundError, "not_found_error"),
        (405, openai.APIStatusError, "invalid_request_error"),
        (413, openai.APIStatusError, "invalid_request_error"),
        (429, openai.RateLimitError, "rate_limit_error"),
        (500, openai.InternalServerError, "server_error"),
        (503, openai.InternalServerError, "server_error"),
    ],
)
def test_each_status_is_an_exception_of_the_package(
    status: int, exception: type[openai.APIStatusError], kind: str
) -> None:
    caught = raised_by(ApiError("no such thing", status=status, param="model", code="gone"))
    assert type(caught) is exception
    assert (caught.param, caught.code, caught.type) == ("model", "gone", kind)
    assert "no such thing" in caught.message


def test_an_envelope_has_all_four_fields() -> None:
    assert decode_any(ApiError("no").envelope()) == {
        "error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}
    }


@pytest.mark.parametrize(
    ("error", "message", "param"),
    [
        (ConfigError("must be at least 1", option="top_k"), "`top_k` must be at least 1", "top_k"),
        (ConfigError("is wrong", option="num_samples"), "`n` is wrong", "n"),
        (ConfigError("it matches no " + named("regex")), "it matches no `regex`", "regex"),
        (
            ConfigError(named("charset", "regex") + " cannot be combined"),
            "`charset` and `regex` cannot be combined",
            None,
        ),
        (
            ConfigError("no beams", hint="add " + setting("beams", 5)),
            'no beams; add `"beams": 5`',
            None,
        ),
        (
            ConfigError("no stop", hint="add " + setting("stop", 'a"\n')),
            'no stop; add `"stop": "a\\"\\n"`',
            None,
        ),
        (
            CheckpointError("no text", hint="give " + setting("text", fill_in="FILE")),
            'no text; give `"text": FILE`',
            None,
        ),
        (
            CheckpointError("in the way", hint="or " + setting("out", Path("a"))),
            'in the way; or `"out": "a"`',
            None,
        ),
        (TokenizerError("no", hint=action("undo()", "/undo")), "no; undo()", None),
    ],
)
def test_options_are_named_as_in_a_body(
    error: ChargenError, message: str, param: str | None
) -> None:
    told = api_error(error)
    assert (told.message, told.param, told.status) == (message, param, 400)


def test_what_is_one_already_stays_as_it_is() -> None:
    error = ApiError("gone", status=404)
    assert api_error(error, status=500) is error


def test_a_message_does_not_repeat_all_that_was_sent() -> None:
    error = ApiError("x" * 10_000_000, param="y" * 10_000_000)
    assert len(error.envelope()) < 3 * MAX_MESSAGE
