"""Whatever a body is, it becomes a record, or an error that names the field."""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import SampleConfig
from chargen.options import field_names, field_types
from chargen.runtime.files import Record, decode, decode_any
from chargen.server.openai_errors import ApiError
from chargen.server.openai_fields import (
    MAX_SEARCHED,
    ChatBody,
    CompletionBody,
    DetokenizeBody,
    Message,
    Part,
    TokenizeBody,
    read_body,
)

KINDS: list[type[Record]] = [CompletionBody, ChatBody, TokenizeBody, DetokenizeBody]


def refused(content: bytes, kind: type[Record] = CompletionBody) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read_body(content, kind)
    assert caught.value.status == 400
    return caught.value


def test_null_is_as_if_the_field_was_not_there() -> None:
    for kind in KINDS:
        nothing = read_body(b"{}", kind)
        names: tuple[str, ...] = kind.__struct_fields__
        assert read_body(json.dumps(dict.fromkeys(names)).encode(), kind) == nothing
        assert all(getattr(nothing, name) is None for name in names)


def test_all_options_of_sampling_are_there_but_those_that_have_another_name() -> None:
    names = set(field_names(SampleConfig)) - {"num_samples", "batch_size"}
    assert names <= set(CompletionBody.__struct_fields__) & set(ChatBody.__struct_fields__)
    for name in names:
        kind, _ = field_types(SampleConfig)[name]
        wrong = b"1" if kind in (str, tuple) else b'"1"'
        assert refused(b'{"%s": %s}' % (name.encode(), wrong)).param == name


def test_what_is_unknown_is_ignored() -> None:
    body = b'{"user": "me", "store": {"a": [1, null]}, "n": 2, "metadata": {"n": 3}}'
    assert read_body(body, CompletionBody).n == 2


def test_a_prompt_has_four_forms() -> None:
    for prompt in ("a", ["a", "b"], [1, 2], [[1], [2, 3]], []):
        assert read_body(json.dumps({"prompt": prompt}).encode(), CompletionBody).prompt == prompt


def test_content_is_a_text_or_parts() -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "user", "content": [{"type": "text", "text": "so", "more": 1}]},
        {"role": "assistant", "content": None, "name": "x"},
    ]
    body = read_body(json.dumps({"messages": messages}).encode(), ChatBody)
    assert body.messages == [
        Message("user", "hi"),
        Message("user", [Part("text", "so")]),
        Message("assistant"),
    ]


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ('{"max_tokens": "5"}', "max_tokens", "must be a whole number, not a text"),
        ('{"max_tokens": 1.5}', "max_tokens", "must be a whole number, not a number"),
        ('{"n": true}', "n", "must be a whole number, not true or false"),
        ('{"stream": 1}', "stream", "must be true or false"),
        ('{"temperature": 1e999}', "temperature", "out of range"),
        ('{"temperature": -1e999}', "temperature", "out of range"),
        ('{"temperature": NaN}', "temperature", "NaN"),
        ('{"temperature": -Infinity}', "temperature", "Infinity"),
        ('{"n": ' + "9" * 5000 + "}", "n", "out of range"),
        ('{"temperature": ' + "9" * 4000 + "}", "temperature", "out of range"),
        ('{"stop": [1]}', "stop[0]", "must be a text"),
        ('{"stop": {}}', "stop", "must be a text or a list"),
        ('{"prompt": ["a", null]}', "prompt[1]", "not null"),
        ('{"prompt": [1, 2.5]}', "prompt[1]", "not a number"),
        ('{"prompt": [[1], [2, "3"]]}', "prompt[1][1]", "must be a whole number"),
        ('{"prompt": "\\ud800"}', "prompt", "surrogate"),
        ('{"prompt": ["a", "\\udc00b"]}', "prompt[1]", "surrogate"),
        ('{"logit_bias": {"5": "x"}}', "logit_bias[...]", "must be a number"),
        ('{"logit_bias": [1]}', "logit_bias", "must be an object"),
        ('{"stream_options": {"include_usage": 3}}', "stream_options.include_usage", "true"),
        ("[]", None, "must be an object, not a list"),
        ('"text"', None, "must be an object"),
        ("null", None, "must be an object"),
        ("", None, "is empty"),
        ("{", None, "not JSON"),
        ('{"n": 1} {}', None, "not JSON"),
        ("{'n': 1}", None, "not JSON"),
        ('{"prompt": "a', None, "not JSON"),
    ],
)
def test_an_error_names_the_field(body: str, param: str | None, says: str) -> None:
    error = refused(body.encode())
    assert error.param == param
    assert error.message.startswith(f"`{param}` " if param else "the body ")
    assert says in error.message


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ('{"messages": {}}', "messages", "must be a list"),
        ('{"messages": ["hi"]}', "messages[0]", "must be an object"),
        ('{"messages": [{"role": "user"}, {"content": "hi"}]}', "messages[1]", "has no `role`"),
        ('{"messages": [{"role": "user", "content": 1}]}', "messages[0].content", "a text or"),
        (
            '{"messages": [{"role": "user", "content": [{"type": "text", "text": 2}]}]}',
            "messages[0].content[0].text",
            "must be a text",
        ),
        (
            '{"messages": [{"role": "user", "content": "\\ud83d"}]}',
            "messages[0].content",
            "surrogate",
        ),
        ('{"logprobs": 5}', "logprobs", "must be true or false"),
    ],
)
def test_an_error_names_the_place_in_a_chat(body: str, param: str, says: str) -> None:
    error = refused(body.encode(), ChatBody)
    assert (error.param, error.message.startswith(f"`{param}` ")) == (param, True)
    assert says in error.message


def test_bytes_that_are_no_utf8_are_found() -> None:
    error = refused(b'{"n": 1, "stop": ["a", "\xff"]}')
    assert (error.param, "UTF-8" in error.message) == ("stop[1]", True)
    # Where they are in a name, or in what is too long to be searched, they are still refused.
    assert refused(b'{"prompt": "\xff", "long": "' + b"x" * MAX_SEARCHED + b'"}').param is None


def test_nothing_is_collected_while_a_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    was_on: list[bool] = []

    def noted(*arguments: Any) -> Any:
        was_on.append(gc.isenabled())
        return decode(*arguments)

    monkeypatch.setattr("chargen.server.openai_fields.decode", noted)
    read_body(b"{}", CompletionBody)
    refused(b"[]")
    assert was_on == [False, False]
    assert gc.isenabled()


def test_looking_for_what_is_wrong_takes_no_memory() -> None:
    name, items = "x" * 10_000, [0] * 10_000  # as many paths with that name take 100 MB
    body = b'{"n": NaN, "%s": %s}' % (name.encode(), json.dumps(items).encode())
    assert len(body) < MAX_SEARCHED
    tracemalloc.start()
    try:
        assert refused(body).param == "n"
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("field", [b"messages", b"prompt", b"unknown", b"tools"])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"[[{},"])
def test_depth_is_refused(field: bytes, opening: bytes) -> None:
    for kind in (CompletionBody, ChatBody):
        for closing in (b"", b"]" * 100_000 + b"}"):
            refused(b'{"' + field + b'": ' + opening * 100_000 + closing, kind)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(sorted({name for kind in KINDS for name in kind.__struct_fields__}))


@given(st.sampled_from(KINDS), st.dictionaries(NAMES, JSON, max_size=5), st.booleans())
def test_any_values_of_known_fields(
    kind: type[Record], body: dict[str, Any], escapes: bool
) -> None:
    content = json.dumps(body, ensure_ascii=escapes).encode(errors="surrogatepass")
    try:
        read_body(content, kind)
    except ApiError as error:
        assert decode_any(error.envelope())["error"]["type"] == "invalid_request_error"
        assert error.param is None or error.param.startswith(tuple(body))


@given(st.sampled_from(KINDS), st.binary(max_size=60))
def test_any_bytes(kind: type[Record], content: bytes) -> None:
    try:
        read_body(content, kind)
    except ApiError as error:
        decode_any(error.envelope())
