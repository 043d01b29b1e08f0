"""One model and the one thread that samples from it, for whoever asks in the event loop: requests
in, texts out as they come. Knows nothing of HTTP and JSON.

Between any two steps of the batch the thread takes up what was asked for and drops what was
cancelled, and reads a chunk of what is long, so that nobody waits for another's prompt. What would
hold it up (a regular expression, a beam search) is done in threads beside it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from chargen.config import CHARACTER_BYTES, PROCESSOR_ORDER, SampleConfig
from chargen.errors import TokenizerError
from chargen.generation.automata import on_wait
from chargen.generation.batch import Batch, BatchedText, GeneratedText, TokenScore, Written
from chargen.generation.beam_search import BeamResult, BeamSearch
from chargen.generation.completion import Completion, CompletionBuilder
from chargen.generation.continuation import check_prompt
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_reader import PromptInChunks, PromptReader, state_keys
from chargen.generation.prompt_scores import score_prompt
from chargen.generation.prompt_state import PromptState, encode_prompt, start_decoding
from chargen.generation.rules import Rules
from chargen.generation.sampling import streams
from chargen.nn.engine import READ_AT_ONCE, initial_state
from chargen.progress import OnShare
from chargen.tokenizers.base import Tokens

# The loop is woken so often for pieces of texts that have begun: many at once cost little more than
# one, and nobody reads faster.
WAKE_SECONDS = 0.01
MAX_UNTAKEN = 4096  # pieces of a text, whose sampling then waits for whoever reads it
LIGHT_PROMPT = 4096  # characters that are encoded in no time
KEPT_RULES = 32  # that were asked for last
MAX_GUIDE_BYTES = 1 << 28  # of all the expressions that texts have to match at a time
MAX_PROMPT_TOKENS = 1 << 24  # of all requests at a time
MAX_SCORES = 1 << 22  # that all requests may come to: each takes some 100 bytes
MAX_SCORED_TOKENS = 100_000  # of a prompt whose scores are asked for
# Threads for what would hold up the others.
NUM_PREPARING, NUM_GUIDING, NUM_SEARCHING = 2, 2, 1
MAX_GUIDES = 128  # requests whose expressions are being built, or wait for it
# What of a config its rules depend on.
_RULES = (*PROCESSOR_ORDER, "penalty_window", "min_chars", "charset", "regex")
_Key = tuple[Any, ...]


class Busy(Exception):
    """More is waiting than may wait."""


class Closed(Exception):
    """The worker has ended, or ends, and takes nothing more."""


@dataclass(frozen=True, kw_only=True)
class TextRequest:
    """A prompt, and the texts that are to continue it.

    `prompt` is a text, or token ids, which are taken as they are. The `config` says how many texts
    (`num_samples`) are sampled, text i from stream i of its seed, or searched for (`beams`).
    `bias` is added to the logits of some tokens. With `top_logprobs` each token comes with its
    log-probability and those of so many of the most likely ones; with `score_prompt` those of the
    prompt, too. Where it `samples_nothing`, that is all.
    """

    prompt: str | tuple[int, ...]
    config: SampleConfig
    bias: Mapping[int, float] = field(default_factory=dict)
    top_logprobs: int | None = None
    score_prompt: bool = False
    samples_nothing: bool = False

    @property
    def num_texts(self) -> int:
        return self.config.beams or self.config.num_samples or 1

    @property
    def max_tokens(self) -> int:
        """That an answer to this can hold."""
        config, prompt = self.config, self.prompt
        scored = 0
        if self.score_prompt:
            scored = len(prompt) * (CHARACTER_BYTES if isinstance(prompt, str) else 1)
        if self.samples_nothing:
            return scored
        # A limit that nobody asked for waits for the least that was.
        longest = max(config.token_limit, CHARACTER_BYTES * (config.min_chars or 0))
        return scored + longest * self.num_texts

    @property
    def max_scores(self) -> int:
        """Log-probabilities that an answer to this can hold, those of alternatives among them."""
        return 0 if self.top_logprobs is None else self.max_tokens * (1 + self.top_logprobs)


@dataclass(frozen=True)
class Prepared:
    """A request that nothing is wrong with."""

    request: TextRequest
    rules: Rules
    prompt_tokens: tuple[int, ...]
    tokens: Tokens  # (N,) that are read: what a document begins after, and the prompt without
    tail: bytes  # its end, where a token may continue that
    state_keys: list[bytes]  # of those tokens; none where no text is sampled


class Generation:
    """What comes of a request: `texts`, which the thread adds to while the event loop takes from
    them. An `error` is the request's own fault if it is a ChargenError."""

    def __init__(self, prepared: Prepared, worker: Worker, news: asyncio.Event) -> None:
        self.prepared = prepared
        self.prompt_tokens = prepared.prompt_tokens
        self.prompt_scores: tuple[TokenScore, ...] = ()  # before any text begins
        self.cached_tokens = 0  # of the prompt, which had been read before
        self.texts: list[GeneratedText] = []
        self.error: BaseException | None = None
        self.is_cancelled = False
        self.prompt: PromptInChunks | None = None
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._news = news

    @property
    def is_reading(self) -> bool:
        """Whether no text has begun yet."""
        return not self.is_done and not any(text.num_tokens for text in self.texts)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to come, and nothing to take."""
        return self.error is not None or all(text.finish_reason for text in self.texts)

    async def news(self) -> None:
        """Return when there is something to take, or it is done."""
        await self._news.wait()
        self._news.clear()

    def cancel(self) -> None:
        """Nobody wants it any more: it costs nothing after the step in hand."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self._worker.forget(self)

    @property
    def batched(self) -> list[BatchedText]:
        """Those of the texts that are sampled."""
        return [text for text in self.texts if isinstance(text, BatchedText)]

    @staticmethod
    def tell(generations: Iterable[Generation]) -> None:
        """Wake whoever waits for these, from any thread."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Generation]] = {}
        for generation in generations:
            by_loop.setdefault(generation._loop, []).append(generation)
        for loop, woken in by_loop.items():
            with suppress(RuntimeError):  # it is closed, and nobody waits there
                loop.call_soon_threadsafe(_wake, woken)


# A request, what is left of scoring its prompt, and the scores so far.
_Scoring = tuple[Generation, Iterator[list[TokenScore]], list[TokenScore]]


def _wake(generations: list[Generation]) -> None:
    for generation in generations:
        generation._news.set()


class Worker:
    """A model and the thread that samples from it, up to `max_batch` texts side by side while
    `max_waiting` more may wait."""

    def __init__(self, generator: TextGenerator, *, max_batch: int, max_waiting: int) -> None:
        self.generator = generator
        self.error: BaseException | None = None  # what the thread died of
        self._engine, self._tokenizer = generator.engine, generator.tokenizer
        self._max_texts = max_batch + max_waiting
        self._rules = _KnownRules(generator)
        self._seeds = Random()  # for requests without one; the operating system would take longer
        self._preparing = ThreadPoolExecutor(NUM_PREPARING, thread_name_prefix="chargen-prepare")
        self._guiding = ThreadPoolExecutor(NUM_GUIDING, thread_name_prefix="chargen-guide")
        self._num_guides = 0  # that are being built, or wait for it
        self._searching = ThreadPoolExecutor(NUM_SEARCHING, thread_name_prefix="chargen-search")
        # What both sides see, under the lock.
        self._lock = threading.Condition()
        self._submitted: deque[Generation] = deque()
        self._forgotten: deque[Generation] = deque()
        self._active: set[Generation] = set()
        self._num_texts = 0  # of these
        self._num_prompt_tokens = self._num_scores = 0
        self._is_closing = False
        # The thread's own.
        self._batch = Batch(self._engine, self._tokenizer, max_batch)
        self._reader = PromptReader(self._engine)
        self._scoring: deque[_Scoring] = deque()
        self._reading: list[Generation] = []
        self._ready: deque[BatchedText] = deque()  # for a place in the batch
        self._parked: list[BatchedText] = []  # until somebody takes what is written
        self._owners: dict[GeneratedText, Generation] = {}
        self._thread = threading.Thread(target=self._run, name="chargen-worker", daemon=True)
        self._thread.start()

    # -- for the event loop -------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive() and self.error is None

    @property
    def is_idle(self) -> bool:
        return not self._active

    @property
    def running(self) -> int:
        """Texts that are sampled now."""
        return len(self._batch)

    @property
    def waiting(self) -> int:
        """Texts that wait: for a place, or for their prompt to be read."""
        return max(0, self._num_texts - self.running)

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

    def submit(self, prepared: Prepared, news: asyncio.Event | None = None) -> Generation:
        """Begin to sample; `news` is set when there are some, for who waits for several at once.
        Raises Busy, Closed."""
        request = prepared.request
        with self._lock:
            if self._is_closing or not self.is_alive:
                raise Closed
            if (
                self._num_texts + request.num_texts > self._max_texts
                or self._num_prompt_tokens + len(prepared.tokens) > MAX_PROMPT_TOKENS
                or self._num_scores + request.max_scores > MAX_SCORES
            ):
                raise Busy
            generation = Generation(prepared, self, news or asyncio.Event())
            generation.texts = self._texts_of(prepared)
            self._active.add(generation)
            self._num_texts += request.num_texts
            self._num_prompt_tokens += len(prepared.tokens)
            self._num_scores += request.max_scores
            self._submitted.append(generation)
            self._lock.notify()
        return generation

    def forget(self, generation: Generation) -> None:
        """Do no more for this one."""
        with self._lock:
            self._forgotten.append(generation)
            self._lock.notify()

    def close(self) -> None:
        """End the thread after the step in hand; what is unfinished fails."""
        with self._lock:
            self._is_closing = True
            self._lock.notify()
        self._thread.join()
        for pool in (self._preparing, self._guiding, self._searching):
            pool.shutdown(cancel_futures=True)

    # -- preparing, in any thread -------------------------------------------------------------

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
        return Prepared(request, rules, whole, tokens, tail, keys)

    def _texts_of(self, prepared: Prepared) -> list[GeneratedText]:
        request, config = prepared.request, prepared.request.config
        if request.samples_nothing or config.beams is not None:
            return [GeneratedText() for _ in range(request.num_texts)]
        recent = tuple(prepared.tokens[1:][-config.penalty_window :].tolist())
        seed = self._seeds.getrandbits(63) if config.seed is None else config.seed
        nowhere = PromptState(initial_state(self._engine.config), (), prepared.tail, recent)
        return [
            BatchedText(
                nowhere,
                prepared.rules,
                CompletionBuilder(self._tokenizer, config),
                stream,
                request.top_logprobs,
            )
            for stream in islice(streams(seed), request.num_texts)
        ]

    # -- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        last_told = 0.0
        try:
            while self._take_up():
                news = self._work()
                now = time.monotonic()
                if now - last_told > WAKE_SECONDS:
                    last_told = now
                    self._park()
                    news |= {owner for text, owner in self._owners.items() if text.num_untaken}
                if news:
                    Generation.tell(news)
        except BaseException as error:
            self.error = error
        finally:
            with self._lock:
                self._is_closing = True
                left = list(self._active)
            for generation in left:  # the batch is left as it is: taking it apart may fail, too
                generation.error = generation.error or self.error or Closed()
                self._release(generation)
            Generation.tell(left)

    def _take_up(self) -> bool:
        """Take what was submitted and drop what was cancelled, or wait for either; whether to go
        on."""
        with self._lock:
            while not (self._submitted or self._forgotten or self._is_closing or self._has_work):
                # Nobody says so when a parked text may go on.
                self._lock.wait(WAKE_SECONDS if self._parked else None)
                self._unpark()
            submitted, self._submitted = self._submitted, deque()
            forgotten, self._forgotten = self._forgotten, deque()
            is_closing = self._is_closing
        for generation in submitted:
            try:
                self._begin(generation)
            except Exception as error:
                self._fail(generation, error)
        for generation in forgotten:
            self._end(generation)
        return not is_closing

    @property
    def _has_work(self) -> bool:
        return bool(len(self._batch) or self._ready or len(self._reader) or self._scoring)

    def _begin(self, generation: Generation) -> None:
        if generation.is_cancelled:
            self._end(generation)
            return
        prepared = generation.prepared
        if prepared.request.score_prompt:
            num_top = prepared.request.top_logprobs or 0
            parts = score_prompt(self._engine, prepared.tokens, num_top)
            self._scoring.append((generation, parts, []))
        else:
            self._begin_texts(generation)

    def _begin_texts(self, generation: Generation) -> None:
        request = generation.prepared.request
        if request.samples_nothing:
            for text in generation.texts:
                text.finish("length")
            self._end(generation)
            Generation.tell([generation])
        elif request.config.beams is not None:
            self._searching.submit(self._search, generation)
        else:
            prepared = generation.prepared
            prompt = self._reader.begin(prepared.tokens, prepared.state_keys)
            generation.prompt = prompt
            self._owners |= dict.fromkeys(generation.texts, generation)
            if prompt.is_read:
                self._start(generation)
            else:
                self._reading.append(generation)
                self._reader.add(prompt)

    def _start(self, generation: Generation) -> None:
        """Its prompt is read but for the last token, which is read in the batch."""
        prompt, texts = generation.prompt, generation.batched
        assert prompt is not None
        generation.cached_tokens = max(0, prompt.cached_tokens - 1)
        unread = tuple(prompt.unread.tolist())
        start = replace(texts[0].start, state=prompt.state, unread=unread)  # one for all of them
        for text in texts:
            text.start = start
            self._ready.append(text)

    def _work(self) -> set[Generation]:
        """Read and score a chunk of what is long, and make a step; those with news that should not
        wait."""
        if len(self._reader):
            read = self._reader.read_on()
            for generation in [g for g in self._reading if g.prompt in read]:
                self._reading.remove(generation)
                self._start(generation)
        if self._scoring:
            self._score_on()
        room = self._batch.capacity - len(self._batch)
        if self._ready and room:
            count = min(room, len(self._ready))
            self._batch.add(*(self._ready.popleft() for _ in range(count)))
        news: set[Generation] = set()
        if len(self._batch):
            for text in self._batch.step():
                if text not in self._owners:  # it has ended with another of its request
                    continue
                owner = self._owners[text]
                news.add(owner)
                owner.error = text.error
                if owner.error is not None or all(t.is_over for t in owner.batched):
                    self._end(owner)
        return news

    def _score_on(self) -> None:
        generation, parts, known = self._scoring.popleft()
        try:
            part = next(parts, None)
        except Exception as error:
            self._fail(generation, error)
            return
        if part is not None:
            known += part
            self._scoring.append((generation, parts, known))
            return
        if generation.prompt_tokens:
            # Of the first nothing is said, though it is known what a document begins with: clients
            # expect that no token stands before it.
            first = TokenScore(generation.prompt_tokens[0], None, ())
            left_out = len(known) - len(generation.prompt_tokens) + 1
            generation.prompt_scores = (first, *known[left_out:])
        self._begin_texts(generation)

    def _park(self) -> None:
        """Let those wait that nobody takes from: memory must not grow with their texts."""
        unread = [text for text in self._batch.texts if text.num_untaken > MAX_UNTAKEN]
        if unread:
            self._batch.remove(*unread)
            self._parked += unread
        self._unpark()

    def _unpark(self) -> None:
        taken = [text for text in self._parked if text.num_untaken <= MAX_UNTAKEN // 2]
        for text in taken:
            self._parked.remove(text)
            self._ready.append(text)

    def _end(self, generation: Generation) -> None:
        """Nothing more is done for this one."""
        texts = {text for text in generation.batched if self._owners.pop(text, None)}
        sampled = [text for text in self._batch.texts if text in texts]
        if sampled:
            self._batch.remove(*sampled)
        if len(sampled) < len(texts):
            self._ready = deque(text for text in self._ready if text not in texts)
            self._parked = [text for text in self._parked if text not in texts]
        if generation in self._reading and generation.prompt is not None:
            self._reading.remove(generation)
            self._reader.remove(generation.prompt)
        self._scoring = deque(work for work in self._scoring if work[0] is not generation)
        self._release(generation)

    def _fail(self, generation: Generation, error: Exception) -> None:
        generation.error = error
        self._end(generation)
        Generation.tell([generation])

    def _release(self, generation: Generation) -> None:
        """Others may have its room."""
        with self._lock:
            if generation in self._active:
                prepared = generation.prepared
                self._active.discard(generation)
                self._num_texts -= prepared.request.num_texts
                self._num_prompt_tokens -= len(prepared.tokens)
                self._num_scores -= prepared.request.max_scores

    # -- beside the thread --------------------------------------------------------------------

    def _search(self, generation: Generation) -> None:
        """A beam search, in a thread of its own."""

        def on_progress(share: float) -> None:
            if generation.is_cancelled or self._is_closing:
                raise Closed

        try:
            completions = self._found(generation.prepared, on_progress)
            generation.texts = generation.texts[: len(completions)]
            for text, completion in zip(generation.texts, completions, strict=True):
                text.num_tokens = len(completion.tokens)
                for piece in completion.pieces:
                    text.write(Written(piece))
                text.finish(completion.finish_reason)
        except BaseException as error:
            generation.error = error
        self._release(generation)
        Generation.tell([generation])

    def _found(self, prepared: Prepared, on_progress: OnShare) -> list[Completion]:
        engine, tokenizer, rules = self._engine, self._tokenizer, prepared.rules
        config, tokens = prepared.request.config, prepared.tokens
        state = initial_state(engine.config)
        for at in range(0, len(tokens) - 1, READ_AT_ONCE):
            on_progress(0.0)
            part = tokens[at : min(at + READ_AT_ONCE, len(tokens) - 1)]
            _, state = engine.read(part[None], state)
        start = PromptState(state, (int(tokens[-1]),), prepared.tail)
        beginning = start_decoding(engine, tokenizer, start)
        if beginning.spellings is not None:
            beginning = replace(beginning, spellings=rules.limited(beginning.spellings))
        search = BeamSearch(engine, tokenizer, config, rules.dropped, rules.guide)
        for event in search.run(beginning, "", on_progress):
            if isinstance(event, BeamResult):
                return event.completions
        raise AssertionError("a search ends with what it found")


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
