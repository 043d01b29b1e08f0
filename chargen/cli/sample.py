"""`chargen sample`: text that continues a prompt, or how likely given continuations are."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargen.checkpoint.locate import require_checkpoint
from chargen.cli.flags import (
    Arguments,
    Parser,
    add_checkpoint,
    add_device,
    add_json,
    add_option_groups,
    flags_of,
    options_given,
)
from chargen.cli.inputs import checkpoint_or_default, read_prompt, split_at_commas
from chargen.config import PROCESSOR_ORDER, SampleConfig
from chargen.errors import CheckpointError, ConfigError, flag, named
from chargen.generation.sample_shards import (
    Shard,
    needs,
    parse_shard,
    samples_of,
    smaller_batch_size,
)
from chargen.options import build_config
from chargen.reprs import counted
from chargen.runtime.signals import Interrupts, Terminated, exit_at_once, suspendable

if TYPE_CHECKING:  # types alone: what computes is imported where it is used
    from chargen.display.text import TextPrinter
    from chargen.evaluation.copies import CopyIndex
    from chargen.generation.beam_search import BeamResult
    from chargen.generation.completion import Completion, Piece
    from chargen.generation.generator import TextGenerator

# In the order of the help.
OPTION_GROUPS = {
    "length": ("max_tokens", "max_chars", "min_chars", "stop", "until"),
    "sampling": (
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "relevance",
        "heal",
        "seed",
    ),
    "penalties": (
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "no_repeat_ngram",
        "penalty_window",
        "ban",
    ),
    "constraints": ("charset", "regex"),
    "instead of sampling": ("beams", "length_penalty", "early_stopping"),
    "many samples": ("num_samples", "batch_size"),
}

UNLIKELY = -2.0  # nats per token of the best choice, from which it is likely no choice at all
# What `--choices` has no use for, besides all the options of sampling.
_ONLY_SAMPLED = ("echo", "out", "shard", "resume", "overwrite", "check_copies", "text")


def add_flags(command: Parser) -> None:
    flags = ", ".join(map(flag, PROCESSOR_ORDER))
    command.end_help_with(
        f"The options that change the probabilities are applied in this order: {flags}; then a "
        "token is sampled. A checkpoint may have its own temperature and stop texts, which apply "
        "unless others are given; chargen set shows them."
    )
    add_checkpoint(command, optional=True)
    command.add_argument("words", nargs="*", metavar="PROMPT", help="the same as --prompt")
    prompts = command.add_mutually_exclusive_group()
    prompts.add_argument(
        *flags_of("prompt"),
        metavar="TEXT",
        help="what the text begins with (default: standard input if it is piped, without its last "
        "newline)",
    )
    prompts.add_argument(
        "--prompt-file", metavar="FILE", help="read the prompt from a file, or - for standard input"
    )
    command.add_argument(
        "--echo",
        action="store_true",
        help="print the prompt before each text; JSON lines always hold it",
    )
    add_option_groups(command, OPTION_GROUPS, SampleConfig)
    command.group("instead of sampling").add_argument(
        "--choices",
        metavar="TEXT,TEXT",
        help='show how likely each of these continuations is, as in " red, green"; quote one that '
        "contains a comma",
    )
    group = command.group("many samples")
    group.add_argument(
        *flags_of("out"), metavar="FILE", help="write to a new file, one JSON line per sample"
    )
    group.add_argument(
        "--shard",
        metavar="I/K",
        help="sample only part I of K, such as 1/4 on the first of four machines: the files, "
        "joined in order, equal the one that a single machine would write, byte for byte if the "
        "machines are of the same kind",
    )
    group.add_argument("--resume", action="store_true", help="continue the file in --out")
    group.add_argument("--overwrite", action="store_true", help="replace the file in --out")
    group = command.group("copies")
    group.add_argument(
        "--check-copies",
        action="store_true",
        help="report how much of the output is copied word for word from the training text",
    )
    group.add_argument(
        "--text",
        metavar="FILE",
        action="append",
        help="the training text (default: where it was read from, or a file of that name here or "
        "in corpora/; repeatable)",
    )
    add_device(command)
    add_json(command, "print one JSON line per sample")


def run(arguments: Arguments) -> int:
    """Write text that continues a prompt."""
    given = options_given(arguments, SampleConfig)
    config = build_config(SampleConfig, given)  # what is wrong is reported before a model is read
    _check_together(arguments, given)
    shard = None if arguments.shard is None else parse_shard(arguments.shard)
    samples_of(config, shard)  # likewise
    choices = None
    if arguments.choices is not None:
        choices = split_at_commas("choices", arguments.choices)
    folder = _checkpoint(arguments)
    words = " ".join(arguments.words) if arguments.words else arguments.prompt
    prompt = read_prompt(words, arguments.prompt_file)

    from chargen.generation.generator import load

    generator = load(folder, arguments.device)
    if choices is not None:
        return _choose(generator, prompt, choices, as_json=arguments.json)
    config = generator.sample_config(given)
    copies = _copies(arguments, generator)
    if arguments.out is not None:
        return _fill(arguments, generator, prompt, config, copies, shard)
    if arguments.json:
        return _print_samples(generator.complete(prompt, config), copies)
    return _show(generator, prompt, config, copies, echo=arguments.echo)


def _checkpoint(arguments: Arguments) -> Path:
    """The checkpoint to sample from. Raises CheckpointError."""
    folder = checkpoint_or_default(arguments.checkpoint)
    try:
        return require_checkpoint(folder)
    except CheckpointError as error:
        alone = not arguments.words and arguments.prompt is arguments.prompt_file is None
        if alone and " " in str(folder):
            command = shlex.join(["chargen", "sample", "-p", arguments.checkpoint])
            raise CheckpointError(error.message, hint=f"if it is a prompt: {command}") from None
        raise


def _check_together(arguments: Arguments, given: dict[str, Any]) -> None:
    """Refuse flags of `sample` that cannot go together. Raises ConfigError."""
    for name in ("prompt", "prompt_file"):
        if arguments.words and getattr(arguments, name) is not None:
            raise ConfigError(
                f"the prompt {' '.join(arguments.words)!r} and "
                + named(name)
                + " cannot be combined",
                hint="give one",
            )
    if arguments.choices is not None:
        others = [name for name in _ONLY_SAMPLED if getattr(arguments, name)]
        for name in [*given, *others]:
            raise ConfigError(
                named("choices", name) + " cannot be combined",
                hint="choices are compared, not sampled",
            )
    for name in ("shard", "resume", "overwrite"):
        if getattr(arguments, name) and arguments.out is None:
            raise ConfigError(
                named(name) + " needs " + named("out"), hint="as in --out samples.jsonl"
            )
    if arguments.shard and "seed" not in given and not arguments.resume:
        raise needs("seed")
    if arguments.json and arguments.out is not None:
        raise ConfigError(
            named("json", "out") + " cannot be combined", hint="the file holds JSON anyway"
        )
    if arguments.resume and arguments.overwrite:
        raise ConfigError(named("resume", "overwrite") + " cannot be combined", hint="give one")
    if arguments.text and not arguments.check_copies:
        raise ConfigError(
            named("text") + " needs " + named("check_copies"),
            hint="it is searched for copies",
        )


def _choose(generator: TextGenerator, prompt: str, choices: Sequence[str], *, as_json: bool) -> int:
    from chargen.display.console import print_json, show_note
    from chargen.display.tables import show_choices
    from chargen.words import word_end

    found = generator.choose(prompt, choices)
    if as_json:
        for choice in found:
            print_json(choice.as_dict())
        return 0
    best = found[0]
    goes_on = word_end(prompt + best.choice, len(prompt)) > len(prompt)
    if goes_on and best.logprob_per_token < UNLIKELY:
        joined = prompt.split()[-1] + best.choice
        show_note(f'choices are joined to the prompt as they are: "{joined}"')
    show_choices(found)
    return 0


def _print_samples(completions: Iterable[Completion], copies: CopyIndex | None) -> int:
    """One JSON line a sample; with what is copied of it, beside what held-out text of the first
    one's length has in common with the training text."""
    from chargen.display.console import print_json

    held_out = None
    for index, completion in enumerate(completions):
        line = completion.as_dict()
        if copies is not None:
            if index == 0:
                held_out = copies.held_out(len(completion.text))
            line |= copies.check(completion.text, completion.prompt).as_dict()
            line["held_out_copied_share"] = held_out and held_out.copied_share
        print_json(line)
    return 0


def _show(
    generator: TextGenerator,
    prompt: str,
    config: SampleConfig,
    copies: CopyIndex | None,
    *,
    echo: bool,
) -> int:
    """The texts as they come, then how much of them is copied."""
    from chargen.display.text import TextPrinter

    printer = TextPrinter(echo=echo)
    code = 0
    if config.beams is not None:
        texts = _search(printer, generator.search(prompt, config), prompt, config.beams)
    elif config.num_samples is not None:
        completions = generator.complete(prompt, config)
        texts = _show_samples(printer, completions, keep=copies is not None)
    else:
        code, text = _stream(printer, generator.stream(prompt, config), prompt, config)
        texts = [text]
    if copies is not None and not code:
        _show_copies(copies, texts, prompt)
    return code


def _stream(
    printer: TextPrinter, pieces: Iterator[Piece], prompt: str, config: SampleConfig
) -> tuple[int, str]:
    """Show one text while it is written; return the exit code, and the text as far as it came."""
    from chargen.display.console import show_note

    texts = []
    printer.prompt(prompt)
    with (
        Interrupts(on_second_sigint=exit_at_once) as interrupts,
        suspendable(come_back=printer.begin_row),
    ):
        for piece in pieces:
            printer.piece(piece)
            texts.append(piece.text)
            if interrupts.caught:
                break
    printer.close()
    code = interrupts.exit_code
    if not texts and (config.regex or config.charset) and not code:
        show_note("the text is empty: everything that the model would continue with is excluded")
    return code, "".join(texts)


def _show_samples(
    printer: TextPrinter, completions: Iterable[Completion], *, keep: bool
) -> list[str]:
    """Show samples one after the other; return their texts where they are to be kept."""
    kept = []
    for completion in completions:
        if keep:
            kept.append(completion.text)
        printer.sample(completion)
    return kept


def _search(
    printer: TextPrinter, events: Iterator[Piece | BeamResult], prompt: str, beams: int
) -> list[str]:
    """Show the best text as it becomes certain, then all that was found; return their texts."""
    from chargen.display.tables import show_beams
    from chargen.generation.beam_search import BeamResult

    completions: list[Completion] = []
    shows_best = printer.is_terminal or beams == 1  # a pipe gets either the table or the text
    if shows_best:
        printer.prompt(prompt)
    for event in events:
        if isinstance(event, BeamResult):
            completions = event.completions
        elif shows_best:
            printer.piece(event)
    if shows_best:
        printer.close()
    if beams > 1:
        show_beams(completions)
    return [completion.text for completion in completions]


def _fill(
    arguments: Arguments,
    generator: TextGenerator,
    prompt: str,
    config: SampleConfig,
    copies: CopyIndex | None,
    shard: Shard | None,
) -> int:
    from chargen.display.console import Bar, show_note
    from chargen.generation.sample_file import fill, read_texts

    samples, smaller = samples_of(config, shard), smaller_batch_size(config, shard)
    if shard is not None and smaller is not None:
        show_note(
            f"{counted(config.num_samples or 1, 'sample')}, fewer than {shard[1]:,} batches of "
            f"{config.batch_size:,}: parts share batches, and each computes those in full; a "
            f"{flag('batch_size')} of at most {smaller:,} divides the work better"
        )
    try:
        with Bar("sampling") as bar:
            for _ in fill(
                generator,
                prompt,
                config,
                arguments.out,
                shard=shard,
                resume=arguments.resume,
                overwrite=arguments.overwrite,
                on_progress=bar.update,
            ):
                pass
    except (KeyboardInterrupt, Terminated):
        instead = " instead of --overwrite" if arguments.overwrite else ""
        show_note(f"stopped; the same command with --resume{instead} continues {arguments.out}")
        raise
    show_note(f"{counted(len(samples), 'sample')} in {arguments.out}")
    if copies is not None:
        _show_copies(copies, read_texts(arguments.out), prompt)
    return 0


def _copies(arguments: Arguments, generator: TextGenerator) -> CopyIndex | None:
    """The training text, ready to be searched, where copies are to be looked for."""
    if not arguments.check_copies:
        return None
    from chargen.evaluation.copies import index_of

    assert generator.metadata is not None  # it was loaded
    return index_of(generator.metadata, arguments.text)


def _show_copies(copies: CopyIndex, texts: Iterable[str], prompt: str) -> None:
    from chargen.display.tables import show_copies
    from chargen.evaluation.copies import together

    left, reports = iter(texts), []
    while some := list(islice(left, 1000)):
        reports.append(together(copies.check_all(some, prompt)))
    report = together(reports)
    held_out = copies.held_out(report.characters // max(1, report.texts))
    show_copies(report, held_out, copies.documents)
