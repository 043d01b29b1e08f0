"""Requests made ready to be sampled: the prompt as tokens, the rules of its sampling. What takes
long of that is done in threads of its own, and given up where nobody waits for it any more.

Letters: N tokens.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from chargen.config import PROCESSOR_ORDER, SampleConfig
from chargen.errors import TokenizerError
from chargen.generation.automata import on_wait
from chargen.generation.continuation import check_prompt
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_reader import state_keys
from chargen.generation.prompt_state import encode_prompt, without_tail
from chargen.generation.rules import Rules
from chargen.server.text_requests import Busy, Closed, Prepared, TextRequest

LIGHT_PROMPT = 4096  # characters that are encoded in no time
KEPT_RULES = 32  # that were asked for last
MAX_GUIDE_BYTES = 1 << 28  # of all the expressions that texts have to match at a time
MAX_SCORED_TOKENS = 100_000  # of a prompt whose scores are asked for
NUM_PREPARING, NUM_GUIDING = 2, 2  # threads
MAX_GUIDES = 128  # requests whose expressions are being built, or wait for it
# What of a config its rules depend on.
_RULES = (*PROCESSOR_ORDER, "penalty_window", "min_chars", "charset", "regex")
_Key = tuple[Any, ...]


class Preparer:
    """Prepares the requests of one model."""

    def __init__(self, generator: TextGenerator) -> None:
        self._tokenizer = generator.tokenizer
        self._rules = _KnownRules(generator)
        self._preparing = ThreadPoolExecutor(NUM_PREPARING, thread_name_prefix="chargen-prepare")
        self._guiding = ThreadPoolExecutor(NUM_GUIDING, thread_name_prefix="chargen-guide")
        self._num_guides = 0  # that are being built, or wait for it
        self._is_closing = False

    async def prepare(self, request: TextRequest) -> Prepared:
        """The request, checked, with its prompt as tokens and the rules of its sampling; what
        takes long is given up where this is cancelled. Raises ChargenError, Busy, Closed."""
        config = request.config
        rules = self._rules.known(config, request.bias)
        is_light = rules is not None or (config.charset is None and not config.ban)
        # An expression may take ten seconds: only others wait for that.
        needs_guide = rules is None and config.regex is not None
        if is_light and not needs_guide and len(request.prompt) <= LIGHT_PROMPT:
            return self._prepare(request, rules)
        if needs_guide and self._num_guides == MAX_GUIDES:
            raise Busy
        is_wanted = True

        def check() -> None:
            if not is_wanted or self._is_closing:
                raise Closed

        context = copy_context()
        context.run(on_wait.set, check)
        loop = asyncio.get_running_loop()
        pool = self._guiding if needs_guide else self._preparing
        self._num_guides += needs_guide
        try:
            check()
            return await loop.run_in_executor(pool, context.run, self._prepare, request, rules)
        except asyncio.CancelledError:
            if self._is_closing:  # which cancels what has not begun
                raise Closed from None
            raise
        finally:
            is_wanted = False
            self._num_guides -= needs_guide

    def close(self) -> None:
        """Give up what is being prepared."""
        self._is_closing = True
        for pool in (self._preparing, self._guiding):
            # A guide may take seconds more, and the event loop would wait.
            pool.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, request: TextRequest, rules: Rules | None) -> Prepared:
        def on_progress(share: float) -> None:
            on_wait.get()()

        tokenizer, prompt, tail = self._tokenizer, request.prompt, b""
        if isinstance(prompt, str):
            check_prompt(tokenizer, prompt)
            # Scores are of the prompt's own tokens, and of those that follow them.
            scored = request.score_prompt or request.top_logprobs is not None
            heals = request.config.heal and not scored and not request.samples_nothing
            tokens, tail = encode_prompt(tokenizer, prompt, heal=heals, on_progress=on_progress)
            whole = tuple(tokenizer.encode(prompt)) if tail else tuple(tokens.tolist())
        else:
            tokenizer.decode(prompt)  # raises where one is no token
            tokens, whole = np.array(prompt, np.int64), prompt
        if isinstance(prompt, str) or prompt[:1] != (tokenizer.end,):
            tokens = np.concatenate([[tokenizer.end], tokens])
        if request.score_prompt and len(whole) > MAX_SCORED_TOKENS:
            raise TokenizerError(
                f"a prompt of {len(whole):,} tokens is too long to be scored, the maximum is "
                f"{MAX_SCORED_TOKENS:,}",
                hint="give it in parts",
            )
        if rules is None:
            rules = self._rules.of(request.config, request.bias)
        if not tail and not request.samples_nothing:
            rules.check_not_hopeless()
        is_sampled = not request.samples_nothing and request.config.beams is None
        keys = state_keys(tokens, on_progress) if is_sampled else []
        prepared = Prepared(request, rules, whole, tokens, tail, keys)
        if not request.compares or request.unprompted is None:
            return prepared
        text = without_tail(request.unprompted, tail)
        beside, _ = encode_prompt(tokenizer, text, heal=False, on_progress=on_progress)
        beside = np.concatenate([[tokenizer.end], beside])
        others = state_keys(beside, on_progress)
        return replace(prepared, unprompted=beside, unprompted_keys=others)


class _KnownRules:
    """The rules that requests asked for last; those that requests are still sampled by are
    found, too."""

    def __init__(self, generator: TextGenerator) -> None:
        self._tokenizer, self._seen = generator.tokenizer, generator.engine.seen
        self._lock = threading.Lock()
        self._last: OrderedDict[_Key, Rules] = OrderedDict()
        self._guided: WeakValueDictionary[_Key, Rules] = WeakValueDictionary()

    def known(self, config: SampleConfig, bias: Mapping[int, float]) -> Rules | None:
        key = _key(config, bias)
        with self._lock:
            found = self._last.pop(key, None) or self._guided.get(key)
            return found and self._keep(key, found)

    def of(self, config: SampleConfig, bias: Mapping[int, float]) -> Rules:
        """Raises ConfigError; Busy where those of others take all the memory."""
        known = self.known(config, bias)
        if known is not None:
            return known
        with self._lock:
            guided = config.regex is not None or config.charset is not None
            if guided and sum(rules.nbytes for rules in self._guided.values()) > MAX_GUIDE_BYTES:
                self._last.clear()  # those that no request has any more
                if sum(rules.nbytes for rules in self._guided.values()) > MAX_GUIDE_BYTES:
                    raise Busy
        made = Rules(config, self._tokenizer, self._seen, bias)
        with self._lock:
            return self._keep(_key(config, bias), made)

    def _keep(self, key: _Key, rules: Rules) -> Rules:
        self._last[key] = rules
        if rules.guide is not None:
            self._guided[key] = rules
        while len(self._last) > KEPT_RULES:
            self._last.popitem(last=False)
        return rules


def _key(config: SampleConfig, bias: Mapping[int, float]) -> _Key:
    """All that rules depend on."""
    return (*(getattr(config, name) for name in _RULES), *sorted(bias.items()))
