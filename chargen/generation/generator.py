"""The public face of a model that writes: `stream` a text piece by piece, `generate` many at once,
search with beams, or choose among given ones.

Hands the parts to those that do it (continuation, beam_search, choices); samples nothing itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack, overload

from chargen.checkpoint.folder import load_checkpoint
from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.checkpoint.recent import default_checkpoint
from chargen.config import SAMPLING_OPTIONS, CorpusConfig, SampleConfig
from chargen.data.documents import EncodedText, encode_text
from chargen.errors import ConfigError
from chargen.generation.beam_search import BeamResult, BeamSearch
from chargen.generation.choices import Choice, choose
from chargen.generation.completion import Completion, Piece
from chargen.generation.continuation import Continuation, check_prompt
from chargen.generation.decoding import write, write_batches, write_each
from chargen.generation.prompt_state import PromptState, document_start, prefill
from chargen.generation.sampling import RandomStream, streams
from chargen.generation.text_stream import TextStream
from chargen.keywords import Device, SampleOptions, TextOptions
from chargen.nn.engine import Engine
from chargen.nn.fresh_engine import FreshEngine
from chargen.nn.numpy_engine import NumpyEngine
from chargen.nn.weights import Weights
from chargen.options import build_config, takes_options
from chargen.progress import OnShare, no_progress
from chargen.runtime.device import device_type
from chargen.scoring.scores import NOTHING, Score, check_not_empty, score_text
from chargen.scoring.token_costs import TextScore, score_tokens
from chargen.tokenizers.base import Tokenizer
from chargen.words import with_lf

if TYPE_CHECKING:
    from chargen.nn.model import LanguageModel

LINE_TOKENS = 1000  # in which a line should have ended


Prompts = list[str] | tuple[str, ...]


class TextGenerator:
    """A model and its tokenizer, ready to generate.

    `weights` are the network as numpy arrays, `tokenizer` turns text into ids and back, `metadata`
    is what the checkpoint's config.json says (None for a model that was made by hand). On a CPU
    numpy computes everything, and torch is not imported; `model`, the same network as a torch
    module, is created on first use.
    """

    def __init__(
        self,
        model: Weights | LanguageModel,
        tokenizer: Tokenizer,
        metadata: CheckpointMetadata | None = None,
        device: str = "cpu",
    ) -> None:
        """From the weights of a model, to be computed on `device`; or from a torch model, on the
        device that it is on. Its weights are copied when they are first asked for."""
        self.tokenizer = tokenizer
        self.metadata = metadata
        if isinstance(model, Weights):
            self.weights, self._device = model, device
        else:
            self.model = model.eval()
            self._device = model.head.weight.device.type

    def __repr__(self) -> str:
        name = "a model" if self.metadata is None else self.metadata.folder.resolve().name
        config = self.weights.config
        layers = f"{config.num_layers} x " if config.num_layers > 1 else ""
        return (
            f"<TextGenerator {name}: {config.cell} {layers}{config.hidden_size}, "
            f"{self.weights.num_parameters:,} parameters, {self.tokenizer.kind}>"
        )

    @cached_property
    def weights(self) -> Weights:
        """The model as arrays: a copy as it was when this was first asked for."""
        from chargen.nn.transfer import weights_of

        return weights_of(self.model)

    @cached_property
    def model(self) -> LanguageModel:
        """The model, for all that torch can do with it. What writes and scores goes by `weights`:
        of a model that was changed, make a new TextGenerator."""
        from chargen.nn.transfer import model_of

        return model_of(self.weights).to(self._device)

    @cached_property
    def engine(self) -> Engine:
        """The model, made ready to be stepped: a copy as it was when this was first asked for."""
        if self._device == "cpu":
            engine: Engine = NumpyEngine(self.weights)
        else:
            from chargen.nn.torch_engine import TorchEngine

            engine = TorchEngine(self.model)
        return FreshEngine(engine, self.tokenizer.end) if engine.config.fresh_state else engine

    @cached_property
    def corpus_options(self) -> CorpusConfig:
        """How the texts were read that the model knows. Without metadata that is told from the
        tokens that it saw: where lines were documents, there was never a newline among them."""
        if self.metadata is not None:
            return self.metadata.corpus_options
        has_newlines = any(end in self._seen_bytes for end in (b"\n", b"\r"))
        are_lines = self.weights.seen[self.tokenizer.end] and not has_newlines
        return CorpusConfig(documents="line" if are_lines else "file")

    @cached_property
    def line_end(self) -> str:
        """What ends a line in its text: LF, CRLF or CR."""
        seen = self._seen_bytes
        if b"\n" not in seen:
            # Where documents are short, their ends are no newlines, and a CR may be a stray one.
            is_cr = b"\r" in seen and self.corpus_options.documents == "file"
            return "\r" if is_cr else "\n"
        if b"\r" not in seen:
            return "\n"
        # A stray CR makes no text of CRLF: what does the model itself end a line with?
        text = ""
        for piece in self.stream("", SampleConfig(seed=1, max_tokens=LINE_TOKENS)):
            text += piece.text
            if "\n" in text:
                break
        return "\r\n" if "\r\n" in text else "\n"

    def with_own_line_ends(self, text: str) -> str:
        """The text with the line ends that the model knows."""
        text = with_lf(text)
        return text.replace("\n", self.line_end) if "\n" in text else text

    @property
    def _seen_bytes(self) -> bytes:
        """What the tokens spell that it saw in training."""
        seen = zip(self.tokenizer.pieces, self.weights.seen.tolist(), strict=True)
        return b"".join(piece for piece, was_seen in seen if was_seen)

    def sample_config(self, options: Mapping[str, Any]) -> SampleConfig:
        """The config with the given options; where they say nothing, it is as the checkpoint wants
        to be sampled. Raises ConfigError."""
        defaults = {} if self.metadata is None else self.metadata.sampling.options
        if options.get("beams") is not None:  # a search has no use for them
            defaults = {n: v for n, v in defaults.items() if n not in SAMPLING_OPTIONS}
        return build_config(SampleConfig, defaults | dict(options))

    @property
    def document_start(self) -> PromptState:
        """Where a document begins."""
        return document_start(self.weights.config, self.tokenizer)

    @takes_options(SampleConfig)
    def stream(
        self,
        prompt: str = "",
        config: SampleConfig | None = None,
        **options: Unpack[SampleOptions],
    ) -> Iterator[Piece]:
        """Yield one completion piece by piece, as it is generated; the pieces joined are the text.

        The options are the fields of SampleConfig, with the defaults that `generate` has; or
        `config` holds all of them. With `beams`, a piece of the most likely text is yielded as soon
        as it is certain. Raises ConfigError and TokenizerError, before the first piece.
        """
        if config is not None and options:
            raise ConfigError("a config holds all options", hint="give either that or options")
        config = config or self.sample_config(options)
        if config.beams is not None:
            events = self.search(prompt, config)
            return (event for event in events if isinstance(event, Piece))
        return self.continue_from(self.document_start, prompt, config)

    def continue_from(
        self,
        start: PromptState,
        prompt: str,
        config: SampleConfig,
        stream: RandomStream | None = None,
        on_progress: OnShare = no_progress,
    ) -> TextStream:
        """Write on from a start and what is added there: one text as it comes, sampled with the
        given stream of random numbers or the first of `config.seed`. `on_progress` gets how much
        of the prompt is read. Raises ConfigError, TokenizerError, both at once.
        """
        config = replace(config, num_samples=None)
        work = self.continuation(prompt, config, start, on_progress)
        return TextStream(work, self.tokenizer, stream or next(streams(config.seed)))

    @overload
    def generate(
        self, prompt: str = ..., *, num_samples: int, **options: Unpack[TextOptions]
    ) -> list[Completion]: ...

    @overload
    def generate(
        self, prompt: str = ..., *, beams: int, **options: Unpack[TextOptions]
    ) -> list[Completion]: ...

    @overload
    def generate(self, prompt: str = ..., **options: Unpack[TextOptions]) -> Completion: ...

    @overload
    def generate(
        self, prompt: Prompts, *, num_samples: int, **options: Unpack[TextOptions]
    ) -> list[list[Completion]]: ...

    @overload
    def generate(
        self, prompt: Prompts, *, beams: int, **options: Unpack[TextOptions]
    ) -> list[list[Completion]]: ...

    @overload
    def generate(self, prompt: Prompts, **options: Unpack[TextOptions]) -> list[Completion]: ...

    @takes_options(SampleConfig)
    def generate(
        self, prompt: str | Prompts = "", **options: Unpack[SampleOptions]
    ) -> Completion | list[Completion] | list[list[Completion]]:
        """One completion; a list of them with `num_samples` (in order) or `beams` (best first).

        For a list of prompts, a list of these, in order. They are sampled side by side, and each is
        what its prompt alone would give with the same options: with a seed, each uses the random
        numbers of that seed from the first one. (Logits differ in their last digits between batch
        sizes, which can decide between two tokens that are nearly equally likely.)

        The options are the fields of SampleConfig. `temperature` and `stop` default to the
        checkpoint's own, if it has any: `metadata.sampling`. Raises ConfigError and
        TokenizerError.
        """
        config = self.sample_config(options)
        is_one = config.num_samples is None and config.beams is None
        if isinstance(prompt, str):
            completions = list(self.complete(prompt, config))
            return completions[0] if is_one else completions
        found = self.complete_each(_each(prompt), config)
        return [completions[0] for completions in found] if is_one else found

    def complete(
        self,
        prompt: str,
        config: SampleConfig,
        *,
        samples: range | None = None,
        rows: int | None = None,
        on_progress: OnShare = no_progress,
    ) -> Iterator[Completion]:
        """The completions that the config asks for: the samples in order, as batches of them are
        done, or the beams, best first; one where it asks for neither.

        `samples` says which of them, else it is all. So many `rows` are sampled side by side,
        padded where there are fewer; else as many as there are, up to the batch size. `on_progress`
        gets the share that is done. Raises ConfigError, TokenizerError, both at once.
        """
        if config.beams is not None:
            *_, found = self.search(prompt, config, on_progress=on_progress)
            assert isinstance(found, BeamResult)
            return iter(found.completions)
        count = config.num_samples or 1
        samples = range(count) if samples is None else samples
        size = rows or min(config.batch_size, count)
        return write_batches(self.continuation(prompt, config), samples, size, on_progress)

    def complete_each(self, prompts: Sequence[str], config: SampleConfig) -> list[list[Completion]]:
        """What `complete` gives for each prompt, sampled side by side where that can be. Raises
        ConfigError, TokenizerError, both before anything is sampled."""
        for prompt in prompts:
            check_prompt(self.tokenizer, prompt)
        each = config.num_samples or 1
        if config.beams is not None or each > config.batch_size:
            return [list(self.complete(prompt, config)) for prompt in prompts]
        found: list[list[Completion]] = []
        at_once = config.batch_size // each
        for at in range(0, len(prompts), at_once):
            works = [self.continuation(prompt, config) for prompt in prompts[at : at + at_once]]
            found += write_each(works, each)
        return found

    def prefill(
        self,
        start: PromptState,
        text: str,
        config: SampleConfig,
        on_progress: OnShare = no_progress,
        *,
        kept: str | None = None,
    ) -> PromptState:
        """The state after some more text; the config says whether to heal its end, and how far
        penalties will look back. Where the text is a prompt, its end that would stand there
        without it is `kept`, so that `relevance` can compare. Raises TokenizerError."""
        check_prompt(self.tokenizer, text)
        heal, window = config.heal, config.penalty_window
        return prefill(
            self.engine,
            self.tokenizer,
            start,
            text,
            heal=heal,
            window=window,
            kept=kept,
            on_progress=on_progress,
        )

    def search(
        self,
        prompt: str,
        config: SampleConfig,
        start: PromptState | None = None,
        on_progress: OnShare = no_progress,
        on_search: OnShare = no_progress,
    ) -> Iterator[Piece | BeamResult]:
        """A beam search as it goes, from the beginning or a start in a text: pieces of the best
        text as soon as they are certain, at the end all that was found. `on_progress` gets the
        share of the prompt that is read, `on_search` of the longest text that is searched; what
        they raise ends it. Raises ConfigError, TokenizerError, both at once."""
        work = self.continuation(prompt, config, start, on_progress)
        search = BeamSearch(
            self.engine, self.tokenizer, config, work.rules.dropped, work.rules.guide
        )
        return search.run(work.decoding_start, prompt, on_search)

    def generate_batch(
        self,
        start: PromptState,
        prompt: str,
        config: SampleConfig,
        streams: Sequence[RandomStream],
        on_progress: OnShare = no_progress,
    ) -> list[Completion]:
        """A text from each stream. Raises ConfigError, TokenizerError."""
        work = self.continuation(prompt, config, start, on_progress)
        return list(write([work] * len(streams), streams, len(streams), on_progress))

    def continuation(
        self,
        prompt: str,
        config: SampleConfig,
        start: PromptState | None = None,
        on_progress: OnShare = no_progress,
    ) -> Continuation:
        """What goes on from a start, else from the beginning of a document, and the prompt read
        after it. Raises ConfigError, TokenizerError."""
        start = start or self.document_start
        return Continuation(self.engine, self.tokenizer, start, prompt, config, on_progress)

    def score(self, text: str) -> TextScore:
        """How well the model predicts a text: `.nats`, `.bits_per_byte`, `.perplexity`, and in
        `.costs` the surprise of each token. Every byte counts. The text is read as the training
        text was: line by line if lines were documents. Raises TokenizerError; CorpusError if the
        text is empty."""
        score = score_tokens(self.engine, self.tokenizer, self._read(text))
        check_not_empty(score)
        return score

    def evaluate(self, texts: str | Sequence[str]) -> Score:
        """One score for all texts, each of them a document: the numbers of `chargen eval`. Raises
        TokenizerError; CorpusError if there is no text."""
        scores = [
            score_text(self.engine, self.tokenizer, self._read(text)) for text in _each(texts)
        ]
        total = sum(scores, NOTHING)
        check_not_empty(total)
        return total

    def perplexity(self, text: str | Sequence[str]) -> float:
        """The perplexity per token of one text or several: exp of the mean nats per token. Raises
        what `evaluate` raises."""
        return self.evaluate(text).perplexity

    def _read(self, text: str) -> Iterator[EncodedText]:
        self.tokenizer.check(text)
        return encode_text([text], self.tokenizer, self.corpus_options)

    def choose(self, prompt: str, choices: Sequence[str], *, ends: bool = False) -> list[Choice]:
        """How likely each of the given continuations of the prompt is, the most likely first; with
        `ends`, each followed by the end of the document. Raises ConfigError if there are none, if
        one is empty or is there twice; TokenizerError."""
        check_prompt(self.tokenizer, prompt)
        return choose(self.engine, self.tokenizer, prompt, choices, ends=ends)


def _each(texts: Any) -> list[str]:
    """Each of several texts. What is one, or none at all, as an int or bytes, is alone in the list:
    the tokenizer refuses it by its type."""
    if isinstance(texts, Iterable) and not isinstance(texts, str | bytes | bytearray | Mapping):
        return list(texts)
    return [texts]


def load(path: str | os.PathLike[str] | None = None, device: Device = "cpu") -> TextGenerator:
    """The model of a checkpoint, ready to generate.

    `path` is a folder, the name of one in `./checkpoints`, or that of a bundled model,
    "everyday" or "facts"; without it, the checkpoint that a bare `chargen` opens. Raises
    CheckpointError, DeviceError.
    """
    picked = device_type(device)  # before anything is read
    checkpoint = load_checkpoint(default_checkpoint().folder if path is None else path)
    return TextGenerator(checkpoint.weights, checkpoint.tokenizer, checkpoint.metadata, picked)
