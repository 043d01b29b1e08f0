"""Prompts read in chunks, a few side by side, from states that are kept: what several texts begin
with is read once.

Chunks begin at fixed places of a prompt, and each is read by products of the same size whatever
else is read, so a state is the same to the last bit whether it was kept or not. What is left, up to
a chunk, is read within the steps of a `Batch`.

Shapes: B rows, T tokens, N tokens of a prompt, P parts of the state, H hidden.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from hashlib import blake2b

import numpy as np

from chargen.nn.engine import Engine, State, initial_state
from chargen.tokenizers.base import Tokens

CHUNK = 16  # tokens: what waits for the next step waits for about eight steps of a single text
ROWS = 4  # that are read at once
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


class PromptInChunks:
    """A prompt's tokens, and how far they are read: up to `at`, with this `state` there."""

    def __init__(self, tokens: Tokens, cache: StateCache, engine: Engine) -> None:
        """(N,) tokens, one at least, of which the first is that before a document."""
        self._tokens, self._cache = tokens, cache
        chunks = tokens[: (len(tokens) - 1) // CHUNK * CHUNK].reshape(-1, CHUNK)
        self._keys = [b""]  # what stands before each chunk
        for chunk in chunks:
            self._keys.append(blake2b(chunk.tobytes(), key=self._keys[-1], digest_size=32).digest())
        self.at, self.state = 0, initial_state(engine.config)  # (1, P, H)
        for number in range(len(chunks), 0, -1):
            kept = cache.get(self._keys[number])
            if kept is not None:
                self.at, self.state = number * CHUNK, kept
                break
        self.cached_tokens = self.at

    @property
    def is_read(self) -> bool:
        """Whether no whole chunk is left that something follows."""
        return len(self.unread) <= CHUNK

    @property
    def unread(self) -> Tokens:
        """The tokens that are left, one at least."""
        return self._tokens[self.at :]

    def advance(self, state: State) -> None:
        """Past a chunk, after which the (1, P, H) state is this."""
        self.at, self.state = self.at + CHUNK, state
        self._cache.put(self._keys[self.at // CHUNK], state)


class PromptReader:
    """Reads the prompts that it is given, a chunk at a time, some side by side, in turn."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cache = StateCache()
        self._waiting: deque[PromptInChunks] = deque()
        self._rows = ROWS if engine.row_group is None else engine.row_group

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, tokens: Tokens) -> PromptInChunks:
        """A prompt of (N,) tokens, from what is known of it; if that is not enough it has to be
        added."""
        return PromptInChunks(tokens, self._cache, self._engine)

    def add(self, prompt: PromptInChunks) -> None:
        self._waiting.append(prompt)

    def remove(self, prompt: PromptInChunks) -> None:
        """Read this one no further."""
        if prompt in self._waiting:
            self._waiting.remove(prompt)

    def read_chunk(self) -> list[PromptInChunks]:
        """Read a chunk of each of the prompts whose turn it is, and give those that are read."""
        count = min(self._rows, len(self._waiting))
        prompts = [self._waiting.popleft() for _ in range(count)]
        tokens = np.zeros((self._rows, CHUNK), np.int64)
        states = initial_state(self._engine.config, self._rows)
        for row, prompt in enumerate(prompts):
            tokens[row], states[row] = prompt.unread[:CHUNK], prompt.state[0]
        _, states = self._engine.read(tokens, states, independent=True)
        for row, prompt in enumerate(prompts):
            # A copy: a view would keep those of all the rows.
            prompt.advance(states[row : row + 1].copy())
        self._waiting.extend(prompt for prompt in prompts if not prompt.is_read)
        return [prompt for prompt in prompts if prompt.is_read]
