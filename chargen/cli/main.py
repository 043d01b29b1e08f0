"""The command line: train, sample, repl, eval, classify, score, inspect, lab, plot, info, list. One
function each.

Nothing heavy is imported before it is needed: `chargen --help` answers at once. Exit codes: 0 done;
2 the command line is wrong by itself; 1 everything else that failed; 130, 143 and 129 interrupted.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
import re
import signal
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from chargen.cli.parser import Arguments, make_parser, options_given
from chargen.config import (
    MAX_PROMPT,
    CorpusConfig,
    InspectConfig,
    LookBackConfig,
    ModelConfig,
    SampleConfig,
    TrainConfig,
    split_options,
)
from chargen.errors import ChargenError, ConfigError, CorpusError, Mention, flag, named
from chargen.options import build_config, unescape
from chargen.runtime.signals import EXIT_CODES, Interrupts, ends_us, exit_at_once
from chargen.runtime.torchrun import is_one_of_several, is_rank_0

if TYPE_CHECKING:  # types alone: torch is imported where it is used
    from chargen.display.text import TextPrinter
    from chargen.evaluation.classification import Classified, Example
    from chargen.evaluation.copies import CopyIndex
    from chargen.generation.beam_search import BeamResult
    from chargen.generation.generator import TextGenerator
    from chargen.generation.writing import Completion, Piece

LN_2 = math.log(2)
UNLIKELY = -2.0  # nats a token of the best choice, from which it is likely no choice at all


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `argv` is the command line without the program."""
    code = _run(argv)
    if is_one_of_several():
        from chargen.runtime.distributed import exit_if_failed

        exit_if_failed(code)
    return code


def _run(argv: Sequence[str] | None) -> int:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        stream = getattr(sys, name)
        # UTF-8 whatever the locale says; what cannot be written is escaped, not fatal.
        if isinstance(stream, io.TextIOWrapper) and mode == "w":
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        for number in filter(ends_us, (signal.SIGTERM, signal.SIGHUP)):
            signal.signal(number, _terminate)
        # OpenMP's threads spin while they wait. With another program on the same cores that can
        # make a step many times slower, and GNU's default is to spin for long:
        # benchmarks/side_by_side.py.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
        arguments = make_parser().parse_args(argv)
        code = RUNS[arguments.command](arguments)
        sys.stdout.flush()
        return int(code)
    except ChargenError as error:
        _show_error(error)
        return 2 if isinstance(error, ConfigError) else 1
    except _Terminated as terminated:
        return EXIT_CODES[terminated.by]
    except KeyboardInterrupt:
        return EXIT_CODES[signal.SIGINT]
    except BrokenPipeError:
        _forget_output()
        return 1
    except OSError as error:
        if error.filename is not None:
            raise  # no user's mistake that we know of
        _forget_output()
        print(f"chargen: cannot write the output: {error.strerror}", file=sys.stderr)
        return 1


def _show_error(error: ChargenError) -> None:
    """One line, from one process where torchrun has started several."""
    who: str | None = ""
    if is_one_of_several():
        from chargen.runtime.distributed import error_prefix

        who = error_prefix()
    if who is not None:
        from chargen.display.console import show_error

        show_error(who + error.spelled(_as_flag))


def _forget_output() -> None:
    """Nobody reads our output, or it cannot be written: Python must not find out again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _as_flag(mention: Mention) -> str:
    return flag(mention.option)


class _Terminated(BaseException):
    """SIGTERM or SIGHUP came where nothing is at stake."""

    def __init__(self, by: signal.Signals) -> None:
        super().__init__()
        self.by = by


def _terminate(number: int, frame: types.FrameType | None) -> NoReturn:
    raise _Terminated(signal.Signals(number))


# -- commands ---------------------------------------------------------------------------------


def train(arguments: Arguments) -> int:
    """Learn a text."""
    started = time.monotonic()
    options = options_given(arguments, CorpusConfig, ModelConfig, TrainConfig)
    split_options(options)  # a wrong one is told before torch is imported
    if not arguments.corpus and not arguments.resume:
        raise ConfigError("no text was given", hint="as in: chargen train corpus.txt")

    from chargen.display.training import training_view
    from chargen.training.request import RunRequest
    from chargen.training.train import prepare

    with training_view(arguments.json, shown=is_rank_0()) as view:
        run = prepare(
            RunRequest(
                arguments.corpus,
                out=arguments.out,
                resume=arguments.resume,
                overwrite=arguments.overwrite,
                init_from=arguments.init_from,
                preset=arguments.preset,
                tensorboard=arguments.tensorboard,
                device=arguments.device,
                options=options,
                started=started,
                on_progress=view.preparing,
            )
        )
        # What is shown may fail, on a terminal that was closed; it is saved all the same.
        with (
            Interrupts(on_second_sigint=exit_at_once) as interrupts,
            closing(run.events(lambda: interrupts.caught is not None)) as events,
        ):
            view.begin(run)
            for event in events:
                view.show(event)
                if interrupts.caught:
                    break
        view.end(run.report(), stopped=interrupts.caught is not None)
    return interrupts.exit_code


def sample(arguments: Arguments) -> int:
    """Write text that goes on from a prompt."""
    given = options_given(arguments, SampleConfig)
    config = build_config(SampleConfig, given)
    _check_together(arguments, given)
    prompt = _prompt(arguments)
    if arguments.choices is not None:
        return _choose(arguments, prompt)

    from chargen.display.console import show_note
    from chargen.display.text import TextPrinter
    from chargen.generation.generator import load

    generator = load(_checkpoint(arguments), arguments.device)
    copies = _copies(arguments, generator)
    if arguments.out is not None:
        return _fill(arguments, generator, prompt, config, copies)
    if arguments.json:
        return _print_samples(generator.complete(prompt, config), copies)
    printer = TextPrinter()
    code = 0
    texts: list[str] = []  # to be looked for in the training text
    if config.beams is not None:
        texts = _search(printer, generator.search(prompt, config), prompt, config.beams)
    elif config.num_samples is not None:
        for index, completion in enumerate(generator.complete(prompt, config)):
            if copies is not None:
                texts.append(completion.text)
            if index:
                printer.separator()
            printer.text(completion)
            printer.close()
    else:
        pieces = generator.stream(prompt, config)
        printer.prompt(prompt)
        empty = True
        with Interrupts(on_second_sigint=exit_at_once) as interrupts:
            for piece in pieces:
                printer.piece(piece)
                empty = False
                if copies is not None:
                    texts.append(piece.text)
                if interrupts.caught:
                    break
        printer.close()
        code, texts = interrupts.exit_code, ["".join(texts)]
        if empty and (config.regex or config.charset) and not code:
            show_note("empty: the model would rather go on with what may not be drawn")
    if copies is not None and not code:
        _show_copies(copies, texts)
    return code


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
            line |= copies.check(completion.text).as_dict()
            line["held_out_copied_share"] = held_out and held_out.copied_share
        print_json(line)
    return 0


def _search(
    printer: TextPrinter, events: Iterator[Piece | BeamResult], prompt: str, beams: int
) -> list[str]:
    """Show the best text as it becomes certain, then all that was found; return their texts."""
    from chargen.display.tables import show_beams
    from chargen.generation.beam_search import BeamResult

    completions: list[Completion] = []
    shows_best = printer.is_terminal or beams == 1  # a pipe gets either the table or the text
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


# What `--choices` has no use for, besides all the options of drawing.
_ONLY_DRAWN = ("out", "resume", "overwrite", "check_copies", "text")


def _check_together(arguments: Arguments, given: dict[str, Any]) -> None:
    """Refuse flags of `sample` that cannot go together. Raises ConfigError."""
    if arguments.choices is not None:
        others = [name for name in _ONLY_DRAWN if getattr(arguments, name)]
        for name in [*given, *others]:
            raise ConfigError(
                named("choices", name) + " cannot be combined", hint="nothing is drawn but a choice"
            )
    for name in ("resume", "overwrite"):
        if getattr(arguments, name) and arguments.out is None:
            raise ConfigError(
                named(name) + " needs " + named("out"), hint="as in --out samples.jsonl"
            )
    if arguments.json and arguments.out is not None:
        raise ConfigError(
            named("json", "out") + " cannot be combined", hint="the file holds JSON anyway"
        )
    if arguments.resume and arguments.overwrite:
        raise ConfigError(named("resume", "overwrite") + " cannot be combined", hint="give one")
    if arguments.text and not arguments.check_copies:
        raise ConfigError(
            named("text") + " needs " + named("check_copies"),
            hint="it is where copies are looked for",
        )


def _choose(arguments: Arguments, prompt: str) -> int:
    from chargen.display.console import print_json, show_note
    from chargen.display.tables import show_choices
    from chargen.generation.generator import load

    choices = _split("choices", arguments.choices)
    found = load(_checkpoint(arguments), arguments.device).choose(prompt, choices)
    if arguments.json:
        for choice in found:
            print_json(choice.as_dict())
        return 0
    best = found[0]
    if prompt[-1:].isalnum() and best.choice[0].isalnum() and best.logprob_per_token < UNLIKELY:
        joined = prompt.split()[-1] + best.choice
        show_note(f'choices are joined to the prompt as they are: "{joined}"')
    show_choices(found)
    return 0


def _split(name: str, text: str) -> list[str]:
    """The texts that the flag of this name gives, commas between. Raises ConfigError."""
    try:
        # A line break would end the row; `unescape` brings it back.
        split = next(csv.reader([text.replace("\n", "\\n")], strict=True), [])
    except csv.Error as error:
        raise ConfigError(named(name) + f" cannot be split at its commas: {error}") from None
    return [unescape(part) for part in split]


def _fill(
    arguments: Arguments,
    generator: TextGenerator,
    prompt: str,
    config: SampleConfig,
    copies: CopyIndex | None,
) -> int:
    from chargen.display.console import Bar, show_note
    from chargen.generation.sample_file import fill, read_texts

    try:
        with Bar("drawing") as bar:
            for _ in fill(
                generator, prompt, config, arguments.out,
                resume=arguments.resume, overwrite=arguments.overwrite, on_progress=bar.update,
            ):  # fmt: skip
                pass
    except (KeyboardInterrupt, _Terminated):
        instead = " instead of --overwrite" if arguments.overwrite else ""
        show_note(f"stopped; the same command with --resume{instead} goes on with {arguments.out}")
        raise
    show_note(f"{config.num_samples or 1} samples in {arguments.out}")
    if copies is not None:
        _show_copies(copies, read_texts(arguments.out))
    return 0


def _copies(arguments: Arguments, generator: TextGenerator) -> CopyIndex | None:
    """The training text, ready to be searched, where copies are to be looked for."""
    if not arguments.check_copies:
        return None
    from chargen.evaluation.copies import index_of

    assert generator.metadata is not None  # it was loaded
    return index_of(generator.metadata, arguments.text)


def _show_copies(copies: CopyIndex, texts: Iterable[str]) -> None:
    from chargen.display.tables import show_copies
    from chargen.evaluation.copies import together

    left, reports, count = iter(texts), [], 0
    while some := list(islice(left, 1000)):
        count += len(some)
        reports.append(together(copies.check_all(some)))
    report = together(reports)
    show_copies(report, copies.held_out(report.characters // max(1, count)))


def score(arguments: Arguments) -> int:
    """Show what each token of a text costs a model."""
    from chargen.data.documents import read_documents
    from chargen.display.console import print_json
    from chargen.display.tables import TokenTable, show_score
    from chargen.evaluation.scores import NOTHING, count, surprises
    from chargen.generation.generator import load

    generator = load(arguments.checkpoint, arguments.device)
    tokenizer = generator.tokenizer
    if _is_file(arguments.text):
        documents = read_documents([arguments.text], tokenizer)
    else:
        tokenizer.check(arguments.text)
        documents = iter([iter([tokenizer.encode_array(arguments.text)])])
    table = None if arguments.json else TokenTable()
    total = NOTHING
    for pieces in documents:
        for tokens, nats in surprises(generator.model, tokenizer, pieces):
            total += count(tokenizer, tokens, nats)
            for token, cost in zip(tokens.tolist(), nats.tolist(), strict=True):
                if table is None:
                    text = tokenizer.decode([token])
                    print_json({"token": token, "text": text, "nats": cost, "bits": cost / LN_2})
                else:
                    table.row(tokenizer.pieces[token], cost)
    if not total.tokens:
        raise CorpusError("the text is empty", hint="there is nothing to score")
    if arguments.json:
        print_json(total.as_dict() | {"nats": total.nats, "bits": total.nats / LN_2})
    else:
        show_score(total)
    return 0


def inspect(arguments: Arguments) -> int:
    """Show what a text does to a network; with --memory, how far back networks look."""
    given, looking = (
        options_given(arguments, InspectConfig),
        options_given(arguments, LookBackConfig),
    )
    config = build_config(InspectConfig, given)
    build_config(LookBackConfig, looking)
    if arguments.memory and given:
        raise ConfigError(named("memory", next(iter(given))) + " cannot be combined")
    if looking and not arguments.memory:
        raise ConfigError(named(next(iter(looking))) + " needs " + named("memory"))
    if arguments.memory:
        return _look_back(arguments, looking)
    if len(arguments.checkpoint) > 1:
        raise ConfigError(
            "several checkpoints are compared with " + named("memory"),
            hint="else give one at a time",
        )

    from chargen.display.checkpoints import facts_of
    from chargen.display.console import Bar, print_json, show_note
    from chargen.display.plots import FORMATS, draw_text, write_output
    from chargen.insight.from_checkpoint import inspect as look

    out = _picture(arguments, (".html", *FORMATS))
    text = None if arguments.text is None else _text(arguments.text, config.max_chars)
    with Bar("reading", stays=False) as bar:
        seen = look(
            arguments.checkpoint[0], text, device=arguments.device, on_progress=bar.show, **given
        )
    inspection = seen.inspection
    if arguments.json:
        for place, part in enumerate(inspection.parts):
            values = {v.probe.name: float(v.values[place]) for v in inspection.views if v.probe}
            bits = part.nats / LN_2
            print_json(part.as_dict() | {"bits": bits, "values": values})
        gates = [dataclasses.asdict(gate) for gate in inspection.gates]
        print_json({"cells": [dataclasses.asdict(f) for f in seen.followers], "gates": gates})
        return 0
    if out is None:
        from chargen.display.insight import show_seen

        show_seen(seen)
        return 0
    if out.suffix.lower() == ".html":
        from chargen.display.html import page

        model = dict(facts_of(seen.about, seen.num_parameters))["model"]
        write_output(out, page(seen, model).encode(errors="replace"))
    else:
        draw_text(inspection, out)
    show_note(f"drawn into {out}")
    return 0


def _picture(arguments: Arguments, formats: Sequence[str]) -> Path | None:
    """The file to draw into, where one is asked for. Raises ConfigError, OutputError."""
    from chargen.display.plots import check_output

    if arguments.out is None:
        return None
    if arguments.json:
        raise ConfigError(named("json", "out") + " cannot be combined", hint="give one")
    out = Path(arguments.out)
    check_output(out, formats)
    return out


def _text(given: str, most: int) -> str:
    """So many characters of a text that was given itself, in a file or on standard input."""
    from chargen.data.documents import read_beginning
    from chargen.display.console import show_note

    text = read_beginning(given, most + 1) if _is_file(given) else given
    if len(text) > most:
        show_note(f"read are the first {most:,} characters; more with --max-chars")
    return text[:most]


def _is_file(text: str) -> bool:
    """Whether a text is not given itself but in a file or on standard input. Raises CorpusError."""
    from chargen.display.console import show_note

    if text == "-" or os.path.isfile(text):
        return True
    if os.path.isdir(text):
        raise CorpusError(f"{text} is a folder", hint="name a file, or give a text")
    if re.fullmatch(r"\S*[./]\S+", text):
        show_note(f"there is no file {text}; read are these letters themselves")
    return False


def _look_back(arguments: Arguments, given: dict[str, Any]) -> int:
    from chargen.checkpoint.locate import require_checkpoint
    from chargen.display.console import Bar, print_json, show_note
    from chargen.display.plots import FORMATS, draw_charts
    from chargen.insight.from_checkpoint import look_back
    from chargen.insight.memory import charts

    out = _picture(arguments, FORMATS)
    text = None if arguments.text is None else [arguments.text]
    if arguments.text == "-" and len(arguments.checkpoint) > 1:
        raise ConfigError(
            named("text") + " - can be read once, not for several checkpoints", hint="name a file"
        )
    found = []
    for folder in arguments.checkpoint:
        require_checkpoint(folder)  # told before the first is measured
    for folder in arguments.checkpoint:
        with Bar(folder, stays=False) as bar:
            device = arguments.device
            looked = look_back(folder, text, device=device, on_progress=bar.show, **given)
        show_note(f"{folder}, measured on {looked.measured}")
        if arguments.json:
            print_json({"checkpoint": folder} | looked.horizon.as_dict())
        found.append(looked)
    if arguments.json:
        return 0
    if len({(looked.about.tokenizer, looked.about.vocab_size) for looked in found}) > 1:
        show_note("these models have different tokens, so their losses cannot be compared")
    names = [looked.about.folder.resolve().name for looked in found]
    if len(set(names)) < len(names):
        names = arguments.checkpoint
    drawn = charts(names, [looked.horizon for looked in found])
    if out is not None:
        draw_charts(drawn, out)
        show_note(f"drawn into {out}")
    from chargen.display.insight import show_horizons

    show_horizons(names, [looked.horizon for looked in found], drawn)
    return 0


def lab(arguments: Arguments) -> int:
    """Try what networks can learn in a small world; without one, tell which there are."""
    if arguments.world is None:
        from chargen.lab import WORLDS

        if arguments.out is not None or "seed" in arguments:
            raise ConfigError("a world must be named", hint="as in: chargen lab namaskar")
        if arguments.json:
            from chargen.display.console import print_json

            for world in WORLDS.values():
                print_json({"world": world.name, "question": world.question})
            return 0
        from chargen.display.insight import show_worlds

        show_worlds(WORLDS.values())
        return 0
    from chargen.display.console import Bar, print_json, show_note
    from chargen.display.insight import show_finding
    from chargen.display.plots import FORMATS, draw_charts
    from chargen.lab import run

    out = _picture(arguments, FORMATS)
    with Bar(arguments.world, stays=False) as bar:
        finding = run(
            arguments.world, on_progress=bar.show, **options_given(arguments, TrainConfig)
        )
    if arguments.json:
        print_json(dataclasses.asdict(finding))
        return 0
    show_finding(finding)
    if out is not None:
        draw_charts(finding.charts, out)
        show_note(f"drawn into {out}")
    return 0


def repl(arguments: Arguments) -> int:
    """Talk to a model."""
    from chargen.repl.app import start

    folder = None if arguments.checkpoint is None else Path(arguments.checkpoint)
    return start(folder, arguments.device, as_json=arguments.json, keys=arguments.keys)


def evaluate(arguments: Arguments) -> int:
    """Score texts with a model, or ask it prompts."""
    if bool(arguments.text) == bool(arguments.prompts):
        raise ConfigError(
            "give either texts to score or --prompts",
            hint="as in: chargen eval checkpoints/everyday text.txt",
        )
    if arguments.prompts:
        return _ask(arguments)

    from chargen.data.documents import read_documents
    from chargen.display.console import print_json
    from chargen.display.tables import show_score
    from chargen.evaluation.scores import NOTHING, score_document
    from chargen.generation.generator import load

    generator = load(arguments.checkpoint, arguments.device)
    score = NOTHING
    for pieces in read_documents(arguments.text, generator.tokenizer):
        score += score_document(generator.model, generator.tokenizer, pieces)
    if not score.tokens:
        raise CorpusError("the text is empty", hint="there is nothing to score")
    if arguments.json:
        print_json(score.as_dict())
    else:
        show_score(score)
    return 0


def _ask(arguments: Arguments) -> int:
    from chargen.display.console import print_json
    from chargen.display.tables import show_answers
    from chargen.evaluation.prompts import ask, read_prompts
    from chargen.generation.generator import load

    prompts = read_prompts(arguments.prompts)
    answers = []
    for answer in ask(load(arguments.checkpoint, arguments.device), prompts):
        answers.append(answer)
        if arguments.json:
            print_json(dataclasses.asdict(answer))
    if arguments.json:
        correct = sum(answer.correct for answer in answers)
        counts = {"prompts": len(answers), "correct": correct, "accuracy": correct / len(answers)}
        print_json(counts)
    else:
        show_answers(answers)
    return 0


def classify(arguments: Arguments) -> int:
    """Rank labels for texts, or for examples whose labels are known."""
    from chargen.display.console import print_json, show_note
    from chargen.display.tables import ClassTable, show_labels
    from chargen.evaluation.classification import check_labels, check_template, read_examples
    from chargen.evaluation.classification import classify as ask
    from chargen.generation.generator import load

    if arguments.text and arguments.examples:
        raise ConfigError(
            "give either texts to classify or --examples", hint="both are what is asked about"
        )
    labels, template = _split("labels", arguments.labels), unescape(arguments.template)
    check_labels(labels)
    check_template(template)
    examples = read_examples(arguments.examples, labels) if arguments.examples else None
    generator = load(arguments.checkpoint, arguments.device)
    if " {label}" in template and any(label.startswith(" ") for label in labels):
        show_note("labels stand in the template as they are: two spaces come before one of them")
    if examples is not None:
        return _judge(arguments, examples, lambda text: ask(generator, text, labels, template))
    table = ClassTable(labels)
    texts = [] if arguments.text in (None, ["-"]) else arguments.text
    for text in texts or _lines():
        found = ask(generator, text, labels, template)
        if arguments.json:
            print_json(found.as_dict())
        elif len(texts) == 1:
            show_labels(found)
        else:
            table.row(found)
    return 0


def _judge(
    arguments: Arguments,
    examples: Sequence[Example],
    ask: Callable[[str], Classified],
) -> int:
    """Tell which examples a model gets wrong, and how many."""
    from chargen.display.console import print_json
    from chargen.display.tables import show_judged
    from chargen.evaluation.classification import accuracy

    found = []
    for example in examples:
        found.append(ask(example.text))
        if arguments.json:
            correct = found[-1].label == example.label
            print_json(found[-1].as_dict() | {"true_label": example.label, "correct": correct})
    true = [example.label for example in examples]
    total = accuracy(true, [one.label for one in found])
    if arguments.json:
        print_json(dataclasses.asdict(total))
    else:
        show_judged(found, true, total)
    return 0


def _lines() -> Iterator[str]:
    """The texts on standard input, a line each; a line of nothing is none. Raises CorpusError."""
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"line {number} of standard input is not UTF-8 at its byte {error.start}",
                hint="convert it first",
            ) from None
        if text.strip():
            yield text


def plot(arguments: Arguments) -> int:
    """Draw how runs learnt."""
    from chargen.checkpoint.metrics import load_metrics
    from chargen.display.console import show_note
    from chargen.display.plots import Curve
    from chargen.display.plots import plot as draw

    curves = []
    for folder in arguments.checkpoint:
        about, metrics = load_metrics(folder)
        tokenizer = f"{about.tokenizer} {about.vocab_size}"
        curves.append(Curve(about.folder.resolve().name, metrics, tokenizer))
    draw(curves, Path(arguments.out), arguments.along)
    show_note(f"drawn into {arguments.out}")
    return 0


def info(arguments: Arguments) -> int:
    """Show what a checkpoint is."""
    from chargen.checkpoint.folder import load_checkpoint
    from chargen.display.checkpoints import show_info
    from chargen.display.console import print_json

    checkpoint = load_checkpoint(arguments.checkpoint)
    if arguments.json:
        print_json(checkpoint.metadata.facts() | {"parameters": checkpoint.model.num_parameters})
    else:
        show_info(checkpoint)
    return 0


def list_(arguments: Arguments) -> int:
    """List the checkpoints below ./checkpoints."""
    from chargen.checkpoint.locate import list_checkpoints
    from chargen.display.checkpoints import show_list
    from chargen.display.console import print_json, show_note

    listed = list_checkpoints(on_rejected=lambda error: show_note(str(error)))
    if arguments.json:
        for entry in listed:
            print_json(entry.facts())
    else:
        show_list(listed)
    return 0


def _checkpoint(arguments: Arguments) -> Path:
    if arguments.checkpoint is not None:
        return Path(arguments.checkpoint)
    from chargen.checkpoint.locate import BUNDLED, newest_checkpoint
    from chargen.display.console import show_note

    folder = newest_checkpoint()
    if folder == BUNDLED:
        show_note("no checkpoint below ./checkpoints; this is the model that comes with chargen")
    return folder


def _prompt(arguments: Arguments) -> str:
    """The prompt given on the command line, in a file or on standard input; else none."""
    if arguments.prompt is not None:
        return str(arguments.prompt)
    if arguments.prompt_file is None:
        return ""
    try:
        if arguments.prompt_file == "-":
            content = sys.stdin.buffer.read(MAX_PROMPT + 1)
        else:
            with open(arguments.prompt_file, "rb") as file:
                content = file.read(MAX_PROMPT + 1)
        if len(content) > MAX_PROMPT:
            raise CorpusError(
                f"the prompt {arguments.prompt_file} is longer than {MAX_PROMPT:,} bytes",
                hint="give its last part: what is far back is forgotten anyway",
            )
        return content.decode("utf-8").removeprefix("\ufeff")  # the byte order mark
    except OSError as error:
        raise CorpusError(
            f"cannot read the prompt {arguments.prompt_file}: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"the prompt {arguments.prompt_file} is not UTF-8 at byte {error.start}",
            hint="convert it first",
        ) from None


# By the names of the parser's commands.
RUNS: dict[str, Callable[[Arguments], int]] = {
    "train": train,
    "sample": sample,
    "repl": repl,
    "eval": evaluate,
    "classify": classify,
    "score": score,
    "inspect": inspect,
    "lab": lab,
    "plot": plot,
    "info": info,
    "list": list_,
}
