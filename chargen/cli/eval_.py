"""`chargen eval`: score texts with a model, or ask it prompts."""

from __future__ import annotations

import dataclasses

from chargen.cli.flags import Arguments, Parser, add_checkpoint, add_device, add_json
from chargen.errors import ConfigError


def add_flags(command: Parser) -> None:
    add_checkpoint(command)
    texts = command.add_argument(
        "text", nargs="+", metavar="TEXT", help="text files, each a document"
    )
    texts.required = False  # with "*" no flag could stand between the checkpoint and the texts
    command.add_argument(
        "--prompts",
        metavar="FILE",
        help="instead: report how many of the prompts in FILE are answered correctly by greedy "
        'decoding; one {"prompt": ..., "answer": ...} per line',
    )
    add_device(command)
    add_json(command)


def run(arguments: Arguments) -> int:
    """Score texts with a model, or ask it prompts."""
    if bool(arguments.text) == bool(arguments.prompts):
        raise ConfigError(
            "give either texts to score or --prompts",
            hint="as in: chargen eval checkpoints/everyday text.txt",
        )
    if arguments.prompts:
        return _ask(arguments)

    from chargen.data.reading import read_documents
    from chargen.display.console import print_json
    from chargen.display.tables import show_score
    from chargen.generation.generator import load
    from chargen.scoring.scores import NOTHING, check_not_empty, score_text

    generator = load(arguments.checkpoint, arguments.device)
    score = NOTHING
    tokenizer = generator.tokenizer
    for parts in read_documents(arguments.text, tokenizer, generator.corpus_options):
        score += score_text(generator.engine, tokenizer, parts)
    check_not_empty(score)
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
