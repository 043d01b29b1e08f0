"""From a checkpoint's folder to what goes on inside its network: which text is read for it, and
the model's own where none is given. `inspect` and `look_back` are the whole road for Python.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.config import InspectConfig, LookBackConfig
from chargen.data.finding import Paths
from chargen.data.reading import read_tokens
from chargen.data.shards import Ids
from chargen.errors import CheckpointError, CorpusError
from chargen.evaluation.held_out import SPLIT_WORDS, held_out_text, held_out_tokens
from chargen.evaluation.surprisal import Surprisal
from chargen.generation.generator import TextGenerator, load
from chargen.insight.followers import MIN_TO_SEARCH, Follower, find_followers
from chargen.insight.inspection import Inspection, Probe, View, check_probe, read_text
from chargen.insight.memory import MemoryCurves, measure, needed_tokens
from chargen.keywords import Device, InspectOptions, LookBackOptions
from chargen.options import build_config, takes_options
from chargen.progress import OnProgress, no_progress, part_of
from chargen.reprs import counted, text_html

SEARCHED = 20_000  # characters of a model's own text in which cells are looked for
SHOWN_OF_OWN = 2000  # characters of a model's own text that are read where none is given
MAX_TOKENS = 2_000_000  # of a text, in which to look back


@dataclass(frozen=True)
class InspectionResult:
    """A text as a network read it, and the cells that follow a feature of the text.

    `inspection` holds the `parts` of the text, the `views` of it and the use of the `gates`.
    `followers` are the cells that were found, `searched` says in which text; if there was too
    little, there are none, and `searched` says why.
    """

    about: CheckpointMetadata
    num_parameters: int
    inspection: Inspection
    followers: tuple[Follower, ...]
    searched: str

    def __repr__(self) -> str:
        name = self.about.folder.resolve().name
        parts, views = len(self.inspection.parts), len(self.inspection.views)
        return f"<InspectionResult of {name}: {counted(parts, 'part')}, {counted(views, 'view')}>"

    def _repr_html_(self) -> str:
        """The text in the colours of its surprise, and again of each view that was asked for."""
        seen = self.inspection
        shown = []
        for view in (seen.views[0], *self.asked):
            values = zip(seen.parts, view.shades.tolist(), view.values.tolist(), strict=True)
            parts = [
                (part.text, shade, f"{value:.2f} {view.unit}\n{likely(part)}")
                for part, shade, value in values
            ]
            shown.append(text_html(parts, caption=f"{view.title}, {view.unit}"))
        return "".join(shown)

    @property
    def asked(self) -> tuple[View, ...]:
        """The views that were asked for: neither the surprise nor the cells that were found."""
        found = sum(follower.follows for follower in self.followers)
        return self.inspection.views[1 : len(self.inspection.views) - found]


@dataclass(frozen=True)
class MemoryResult:
    """How far back a model looks: the curves in `horizon`; `measured` says on which text."""

    about: CheckpointMetadata
    horizon: MemoryCurves
    measured: str

    def __repr__(self) -> str:
        curves = self.horizon
        return (
            f"<MemoryResult of {self.about.folder.resolve().name}: "
            f"loss {curves.loss[0]:.3f} after {counted(curves.contexts[0], 'token')}, "
            f"{curves.loss[-1]:.3f} after {counted(curves.contexts[-1], 'token')}>"
        )


def likely(part: Surprisal) -> str:
    """What was likely in its place, in a line."""
    return "  ".join(f"{other.text!r} {other.probability:.0%}" for other in part.most_likely)


@takes_options(InspectConfig)
def inspect(
    checkpoint: str | os.PathLike[str] | TextGenerator,
    text: str | None = None,
    *,
    device: Device = "cpu",
    on_progress: OnProgress = no_progress,
    **options: Unpack[InspectOptions],
) -> InspectionResult:
    """Read a text with a model and look inside: what surprised it, what cells and gates did.

    `checkpoint` is a folder, a name, or a model that was loaded from one. Without a text, a piece
    of the model's own text is read that was held out from training, if it is still there; cells are
    also searched for in that if the text is short. The views are the surprise in bits, then what
    `cell` and `gate` ask for, then the cells that were found. The options are the fields of
    InspectConfig. Raises ChargenError.
    """
    config = build_config(InspectConfig, options)
    generator, about = _load(checkpoint, device)
    if text is not None:
        generator.tokenizer.check(text)
    probes = asked(config, about.model.num_layers)
    for probe in probes:
        check_probe(about.model, probe)
    given = None if text is None else text[: config.max_chars]
    followers: list[Follower] = []
    if given is not None and len(given) >= MIN_TO_SEARCH:
        own, searched = given, f"its {len(given):,} characters"
    else:
        try:
            most = max(SEARCHED, options.get("max_chars", 0))
            own, split = held_out_text(about, MIN_TO_SEARCH, most, on_progress)
            searched = f"{min(len(own), SEARCHED):,} characters of {SPLIT_WORDS[split]}"
        except CorpusError as error:
            if given is None:
                raise
            own, searched = "", f"the text is too short to search for cells, and {error.message}"
    if own:
        followers = find_followers(generator, own[:SEARCHED], part_of(on_progress, "looking"))
    if given is None:
        first, _, rest = own.partition("\n")  # it may begin in the midst of a line
        given = (rest or first)[: options.get("max_chars", SHOWN_OF_OWN)]
    titles = [probe.name for probe in probes]
    for follower in filter(lambda follower: follower.follows, followers):
        probes.append(Probe(follower.layer, follower.unit))
        titles.append(f"{probes[-1].name}, {follower.feature}")
    inspection = read_text(
        generator,
        given,
        probes,
        titles=titles,
        top=config.top,
        on_progress=lambda share: on_progress("reading", share),
    )
    return InspectionResult(
        about, generator.weights.num_parameters, inspection, tuple(followers), searched
    )


def asked(config: InspectConfig, num_layers: int) -> list[Probe]:
    """What the options ask to be shown."""
    cells: Sequence[tuple[int, int | None]] = [
        (int(layer), int(unit)) for layer, _, unit in (cell.partition(":") for cell in config.cell)
    ]
    if config.gate is not None and not cells:
        cells = [(layer, None) for layer in range(num_layers)]
    return [Probe(layer, unit, config.gate) for layer, unit in cells]


@takes_options(LookBackConfig)
def look_back(
    checkpoint: str | os.PathLike[str] | TextGenerator,
    text: Paths | None = None,
    *,
    device: Device = "cpu",
    on_progress: OnProgress = no_progress,
    **options: Unpack[LookBackOptions],
) -> MemoryResult:
    """Measure how far back a network looks: the loss by length of context, and the gradient by
    distance.

    `checkpoint` is a folder, a name, or a model that was loaded from one. `text` is a file or
    several; without it, what was held out from the model's own training text, if it is still there.
    The options are the fields of LookBackConfig. Raises ChargenError.
    """
    config = build_config(LookBackConfig, options)
    generator, about = _load(checkpoint, device)
    tokenizer = generator.tokenizer
    tokens: Ids
    if text is not None:
        tokens = read_tokens(text, tokenizer, generator.corpus_options, MAX_TOKENS)
        measured = "the text that was given"
    else:
        needed = needed_tokens(config.max_context, config.max_distance)
        tokens, split = held_out_tokens(about, tokenizer, needed, MAX_TOKENS, on_progress)
        measured = f"{about.corpus.name}: {SPLIT_WORDS[split]}"
    horizon = measure(
        generator.model,
        tokens,
        end=tokenizer.end,
        longest_context=config.max_context,
        longest_distance=config.max_distance,
        on_progress=lambda share: on_progress("measuring", share),
    )
    return MemoryResult(about, horizon, measured)


def _load(
    checkpoint: str | os.PathLike[str] | TextGenerator, device: Device
) -> tuple[TextGenerator, CheckpointMetadata]:
    generator = checkpoint if isinstance(checkpoint, TextGenerator) else load(checkpoint, device)
    if generator.metadata is None:
        raise CheckpointError(
            "this model was not loaded from a checkpoint, so its training text is unknown",
            hint="give one, as in: chargen.inspect('everyday')",
        )
    return generator, generator.metadata
