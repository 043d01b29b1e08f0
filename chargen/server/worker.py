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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from random import Random

from chargen.generation.batch import Batch, BatchedText, GeneratedText, TokenScore, Written
from chargen.generation.beam_search import BeamResult, BeamSearch
from chargen.generation.completion import Completion, CompletionBuilder
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_reader import PromptReader
from chargen.generation.prompt_scores import score_prompt
from chargen.generation.prompt_state import PromptState, start_decoding
from chargen.generation.sampling import streams
from chargen.nn.engine import READ_AT_ONCE, initial_state
from chargen.progress import OnShare
from chargen.server.preparing import Preparer
from chargen.server.text_requests import Busy, Closed, Generation, Prepared, TextRequest

# The loop is woken so often for pieces of texts that have begun: many at once cost little more than
# one, and nobody reads faster.
WAKE_SECONDS = 0.01
MAX_UNTAKEN = 4096  # pieces of a text, whose sampling then waits for whoever reads it
MAX_PROMPT_TOKENS = 1 << 24  # of all requests at a time
MAX_SCORES = 1 << 22  # that all requests may come to: each takes some 100 bytes
NUM_SEARCHING = 1  # threads for what would hold up the others

# A request, what is left of scoring its prompt, and the scores so far.
_Scoring = tuple[Generation, Iterator[list[TokenScore]], list[TokenScore]]


class Worker:
    """A model and the thread that samples from it, up to `max_batch` texts side by side while
    `max_waiting` more may wait."""

    def __init__(self, generator: TextGenerator, *, max_batch: int, max_waiting: int) -> None:
        self.generator = generator
        self.error: BaseException | None = None  # what the thread died of
        self._engine, self._tokenizer = generator.engine, generator.tokenizer
        self._max_texts = max_batch + max_waiting
        self._preparer = Preparer(generator)
        self._seeds = Random()  # for requests without one; the operating system would take longer
        self._searching = ThreadPoolExecutor(NUM_SEARCHING, thread_name_prefix="chargen-search")
        # What both sides see, under the lock.
        self._lock = threading.Condition()
        self._submitted: deque[Generation] = deque()
        self._forgotten: deque[Generation] = deque()
        self._active: set[Generation] = set()
        self._num_texts = 0  # of these, that have not ended
        self._num_prompt_tokens = self._num_scores = 0
        self._is_closing = False
        # The thread's own.
        self._batch = Batch(self._engine, self._tokenizer, max_batch)
        self._reader = PromptReader(self._engine)
        self._scoring: deque[_Scoring] = deque()
        self._reading: list[Generation] = []
        # Those that wait for a place in the batch; their requests take turns.
        self._ready: OrderedDict[Generation, deque[BatchedText]] = OrderedDict()
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
        """The request, checked; what takes long is given up where this is cancelled. Raises
        ChargenError, Busy, Closed."""
        return await self._preparer.prepare(request)

    def submit(self, prepared: Prepared, news: asyncio.Event | None = None) -> Generation:
        """Begin to sample; `news` is set when there are some, for who waits for several at once.
        Raises Busy, Closed."""
        request = prepared.request
        with self._lock:
            if self._is_closing or not self.is_alive:
                raise Closed
            if (
                self._num_texts + request.num_texts > self._max_texts
                or self._num_prompt_tokens + prepared.num_tokens > MAX_PROMPT_TOKENS
                or self._num_scores + request.max_scores > MAX_SCORES
            ):
                raise Busy
            generation = Generation(prepared, self.forget, news or asyncio.Event())
            generation.texts = self._texts_of(prepared)
            self._active.add(generation)
            self._num_texts += request.num_texts
            self._num_prompt_tokens += prepared.num_tokens
            self._num_scores += request.max_scores
            self._submitted.append(generation)
            self._lock.notify()
        return generation

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
        self._preparer.close()
        self._searching.shutdown(cancel_futures=True)

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
            generation.prompt = self._reader.begin(prepared.tokens, prepared.state_keys)
            if prepared.unprompted is not None:
                beside = self._reader.begin(prepared.unprompted, prepared.unprompted_keys)
                generation.unprompted = beside
            self._owners |= dict.fromkeys(generation.texts, generation)
            unread = [prompt for prompt in generation.prompts if not prompt.is_read]
            if unread:
                self._reading.append(generation)
            else:
                self._start(generation)
            for prompt in unread:
                self._reader.add(prompt)

    def _start(self, generation: Generation) -> None:
        """What is read before is read but for the last token, which is read in the batch."""
        prompt, texts = generation.prompt, generation.batched
        assert prompt is not None
        generation.cached_tokens = max(0, prompt.cached_tokens - 1)
        unread = tuple(prompt.unread.tolist())
        start = replace(texts[0].start, state=prompt.state, unread=unread)  # one for all of them
        if (beside := generation.unprompted) is not None:
            unprompted = PromptState(beside.state, tuple(beside.unread.tolist()))
            start = replace(start, unprompted=unprompted)
        for text in texts:
            text.start = start
        self._ready[generation] = deque(texts)

    def _work(self) -> set[Generation]:
        """Read and score a chunk of what is long, and make a step; those with news that should not
        wait."""
        if len(self._reader):
            self._reader.read_on()
            for generation in [g for g in self._reading if all(p.is_read for p in g.prompts)]:
                self._reading.remove(generation)
                self._start(generation)
        if self._scoring:
            self._score_on()
        if self._ready and not self._batch.is_full:
            room = self._batch.capacity - len(self._batch)
            self._batch.add(*islice(self._next_ready(), room))
        news: set[Generation] = set()
        if len(self._batch):
            for text in self._batch.step():
                if text not in self._owners:  # it has ended with another of its request
                    continue
                owner = self._owners[text]
                news.add(owner)
                owner.error = text.error
                if text.is_over:
                    self._release(owner, 1)
                if owner.error is not None or all(t.is_over for t in owner.batched):
                    self._end(owner)
        return news

    def _next_ready(self) -> Iterator[BatchedText]:
        """Those that wait, one of each request in turn: nobody waits for all of another's."""
        while self._ready:
            generation, texts = self._ready.popitem(last=False)
            text = texts.popleft()
            if texts:
                self._ready[generation] = texts
            yield text

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
            self._ready.setdefault(self._owners[text], deque()).append(text)

    def _end(self, generation: Generation) -> None:
        """Nothing more is done for this one."""
        texts = {text for text in generation.batched if self._owners.pop(text, None)}
        sampled = [text for text in self._batch.texts if text in texts]
        if sampled:
            self._batch.remove(*sampled)
        if len(sampled) < len(texts):
            self._ready.pop(generation, None)
            self._parked = [text for text in self._parked if text not in texts]
        if generation in self._reading:
            self._reading.remove(generation)
            for prompt in generation.prompts:
                self._reader.remove(prompt)
        self._scoring = deque(work for work in self._scoring if work[0] is not generation)
        self._release(generation)

    def _fail(self, generation: Generation, error: Exception) -> None:
        generation.error = error
        self._end(generation)
        Generation.tell([generation])

    def _release(self, generation: Generation, num_texts: int | None = None) -> None:
        """Others may have the room of so many of its texts, which have ended; of all that it
        has."""
        with self._lock:
            if generation not in self._active:
                return
            ended = generation.num_going_on if num_texts is None else num_texts
            generation.num_going_on -= ended
            self._num_texts -= ended
            if num_texts is None:
                self._active.discard(generation)
                self._num_prompt_tokens -= generation.prepared.num_tokens
                self._num_scores -= generation.prepared.request.max_scores

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
