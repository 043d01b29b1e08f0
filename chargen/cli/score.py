"""`chargen score`: what each token of a text costs a model."""

from __future__ import annotations

import dataclasses

from chargen.cli.flags import Arguments, Parser, add_checkpoint, add_device, add_json
from chargen.cli.inputs import is_file
from chargen.scoring.units import NATS_PER_BIT


def add_flags(command: Parser) -> None:
    add_checkpoint(command)
    command.add_argument(
        "text", metavar="TEXT", help="a text, a text file, or - for standard input"
    )
    add_device(command)
    add_json(command, "print one JSON line per token, then the totals")


def run(arguments: Arguments) -> int:
    """Show what each token of a text costs a model."""
    from chargen.data.documents import encode_text
    from chargen.data.reading import read_documents
    from chargen.display.console import print_json
    from chargen.display.tables import TokenTable, show_score
    from chargen.generation.generator import load
    from chargen.scoring.scores import NOTHING, check_not_empty
    from chargen.scoring.token_costs import token_costs

    generator = load(arguments.checkpoint, arguments.device)
    tokenizer = generator.tokenizer
    if is_file(arguments.text):
        texts = read_documents([arguments.text], tokenizer, generator.corpus_options)
    else:
        tokenizer.check(arguments.text)
        texts = iter([encode_text([arguments.text], tokenizer, generator.corpus_options)])
    table = None if arguments.json else TokenTable()
    total = NOTHING
    for parts in texts:
        for score, costs in token_costs(generator.engine, tokenizer, parts):
            total += score
            for cost in costs:
                if table is None:
                    print_json(dataclasses.asdict(cost) | {"bits": cost.bits})
                else:
                    table.row(cost.text, cost.nats)
    check_not_empty(total)
    if arguments.json:
        print_json(total.as_dict() | {"nats": total.nats, "bits": total.nats / NATS_PER_BIT})
    else:
        show_score(total)
    return 0
