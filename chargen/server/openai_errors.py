"""What goes wrong, as the OpenAI API says it: an HTTP status, and an envelope that clients read.

Knows no HTTP beyond the numbers of its statuses.
"""

from __future__ import annotations

import os
from pathlib import Path

from chargen.errors import Action, ChargenError, Mention
from chargen.runtime.files import encode

MAX_MESSAGE = 1000  # characters; a message may quote what was sent

# What clients tell errors apart by, beside the status; every other is a "server_error".
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}
JSON_NAMES = {"num_samples": "n"}  # of options that have another one in a body


class ApiError(ChargenError):
    """What a client is told instead of an answer.

    `param` is the field to blame, as the client wrote it (messages[2].content), `code` a name for
    programs, as "model_not_found".
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(_cut(message))
        self.status = status
        self.param = None if param is None else _cut(param)
        self.code = code

    @property
    def type(self) -> str:
        return TYPES.get(self.status, "server_error")

    def envelope(self) -> bytes:
        """The JSON that the openai package makes an exception of."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return encode({"error": error})

    def event(self) -> bytes:
        """What ends a stream that has failed."""
        return b"data: " + self.envelope() + b"\n\n"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "..."


def api_error(error: ChargenError, status: int = 400) -> ApiError:
    """The same as a client is told it, with options named as in a body. Its field is the option
    that is to blame; where several are, clients are told of none."""
    if isinstance(error, ApiError):
        return error
    param = JSON_NAMES.get(error.about[0], error.about[0]) if len(error.about) == 1 else None
    return ApiError(error.spelled(in_json), status=status, param=param)


def in_json(mention: Mention | Action) -> str:
    """How an option is named in a message: `beams`, or `"beams": 5` where it is to be set."""
    if isinstance(mention, Action):
        return mention.call
    name = JSON_NAMES.get(mention.option, mention.option)
    if not mention.to_set:
        return f"`{name}`"
    value = os.fspath(mention.value) if isinstance(mention.value, Path) else mention.value
    written = mention.fill_in or "..." if value is None else encode(value).decode()
    return f'`"{name}": {written}`'
