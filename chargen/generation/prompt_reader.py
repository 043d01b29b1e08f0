"""Prompts read in chunks, a few side by side, from states that are kept: what several texts begin
with is read once.

Where the chunks of a prompt begin, and how long they are, depends on nothing but its length, and
each is read by products of the same size whatever else is read: so a state is the same to the last
bit whether it was kept or not. The last token is left to a step of a `Batch`.

Shapes: B rows, T tokens, N tokens of a prompt, P parts of the state, H hidden.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from hashlib import blake2b

import numpy as np

from chargen.nn.engine import Engine, State, initial_state
from chargen.progress import OnShare, no_progress
from chargen.tokenizers.base import Tokens

CHUNK = 16  # tokens: what waits for the next step waits for about eight steps of a single text
LENGTHS = (CHUNK, 4, 1)  # of chunks; what the first does not divide is read by the others
ROWS = 4  # that are read at once
MAX_GROUPS = 4  # of so many rows that read a chunk before the next step: less than three such steps
KEYS_AT_ONCE = CHUNK << 10  # tokens whose keys are made in no time
CACHE_BYTES = 1 << 26  # of states; a chunk of a network of 2 x 192 has 3 kB


class StateCache:
    """The states after prompts, by what was read; those that were not asked for longest are given
    up first."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._states: OrderedDict[bytes, State] = OrderedDict()
        self._bytes = 0

    def get(self, key: bytes) -> State | None:
        """(1, P, H)"""
        state = self._states.get(key)
        if state is not None:
            self._states.move_to_end(key)
        return state

    def put(self, key: bytes, state: State) -> None:
        if key not in self._states:
            self._states[key] = state
            self._bytes += state.nbytes
        while self._bytes > self._max_bytes:
            _, given_up = self._states.popitem(last=False)
            self._bytes -= given_up.nbytes


def state_keys(tokens: Tokens, on_progress: OnShare = no_progress) -> list[bytes]:
    """By what the states are kept of a prompt of (N,) tokens: that before it, those where a whole
    chunk ends, and that where it is read. Takes half a second for a million tokens; what
    `on_progress` raises ends it."""
    keys = [b""]
    last = len(tokens) - 1
    for at in range(0, last, CHUNK):
        if at % KEYS_AT_ONCE == 0:
            on_progress(at / last)
        part = tokens[at : min(at + CHUNK, last)]
        keys.append(blake2b(part.tobytes(), key=keys[-1], digest_size=32).digest())
    return keys


class PromptInChunks:
    """A prompt's tokens, and how far they are read: up to `at`, with this `state` there."""

    def __init__(
        self, tokens: Tokens, keys: list[bytes], cache: StateCache, engine: Engine
    ) -> None:
        """(N,) tokens, one at least, of which the first is that before a document."""
        self._tokens, self._keys, self._cache = tokens, keys, cache
        self._last = len(tokens) - 1  # where it is read
        self.at, self.state = 0, initial_state(engine.config)  # (1, P, H)
        self.cached_tokens = 0
        for number in range(len(self._keys) - 1, 0, -1):
            if self._skip(number):
                break

    @property
    def is_read(self) -> bool:
        """Whether there is nothing before the last token."""
        return self.at == self._last

    @property
    def unread(self) -> Tokens:
        """The tokens that are left, one at least."""
        return self._tokens[self.at :]

    @property
    def chunk(self) -> Tokens:
        """Those to be read next."""
        length = next(length for length in LENGTHS if length <= self._last - self.at)
        return self._tokens[self.at : self.at + length]

    def skip_known(self) -> None:
        """Past what another prompt has read in the meantime."""
        while not self.is_read and self._skip(self.at // CHUNK + 1):
            pass

    def _skip(self, number: int) -> bool:
        kept = self._cache.get(self._keys[number])
        if kept is not None:
            self.at, self.state = min(number * CHUNK, self._last), kept
            self.cached_tokens = self.at
        return kept is not None

    def advance(self, state: State) -> None:
        """Past a chunk, after which the (1, P, H) state is this."""
        self.at, self.state = self.at + len(self.chunk), state
        if self.at % CHUNK == 0 or self.is_read:
            self._cache.put(self._keys[-(-self.at // CHUNK)], state)


class PromptReader:
    """Reads the prompts that it is given, a chunk at a time, some side by side, in turn; what is
    nearly read is read to its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cache = StateCache()
        self._waiting: deque[PromptInChunks] = deque()
        self._rows = ROWS if engine.row_group is None else engine.row_group

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, tokens: Tokens, keys: list[bytes] | None = None) -> PromptInChunks:
        """A prompt of (N,) tokens, from what is known of it by its `state_keys`; if that is not
        enough it has to be added."""
        keys = state_keys(tokens) if keys is None else keys
        return PromptInChunks(tokens, keys, self._cache, self._engine)

    def add(self, prompt: PromptInChunks) -> None:
        self._waiting.append(prompt)

    def remove(self, prompt: PromptInChunks) -> None:
        """Read this one no further."""
        if prompt in self._waiting:
            self._waiting.remove(prompt)

    def read_on(self) -> list[PromptInChunks]:
        """Read on in the prompts whose turn it is, as far as others can wait for a step; those
        that are read now."""
        read: list[PromptInChunks] = []
        left = CHUNK * min(MAX_GROUPS, -(-len(self._waiting) // self._rows))
        while left > 0 and (group := self._next_group(read)):
            left -= len(group[0].chunk)
            self._read_chunk(group)
            read += [prompt for prompt in group if prompt.is_read]
            going_on = [prompt for prompt in group if not prompt.is_read]
            self._waiting.extend(p for p in going_on if len(p.chunk) == CHUNK)
            self._waiting.extendleft(p for p in reversed(going_on) if len(p.chunk) < CHUNK)
        return read

    def _next_group(self, read: list[PromptInChunks]) -> list[PromptInChunks]:
        """The first that wait and others with a chunk of that length; those of which all is known
        by now are added to what is `read`."""
        group: list[PromptInChunks] = []
        others: list[PromptInChunks] = []
        while self._waiting and len(group) < self._rows:
            prompt = self._waiting.popleft()
            prompt.skip_known()
            if prompt.is_read:
                read.append(prompt)
            elif group and len(prompt.chunk) != len(group[0].chunk):
                others.append(prompt)
            else:
                group.append(prompt)
        self._waiting.extendleft(reversed(others))
        return group

    def _read_chunk(self, prompts: list[PromptInChunks]) -> None:
        tokens = np.zeros((self._rows, len(prompts[0].chunk)), np.int64)
        states = initial_state(self._engine.config, self._rows)
        for row, prompt in enumerate(prompts):
            tokens[row], states[row] = prompt.chunk, prompt.state[0]
        _, states = self._engine.read(tokens, states, independent=True)
        for row, prompt in enumerate(prompts):
            # A copy: a view would keep those of all the rows.
            prompt.advance(states[row : row + 1].copy())
