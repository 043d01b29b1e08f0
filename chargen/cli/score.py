"""`chargen score`: what each token of a text costs a model."""

from __future__ import annotations

from chargen.cli.flags import Arguments, Parser, add_checkpoint, add_device, add_json
from chargen.cli.inputs import is_file
from chargen.errors import CorpusError
from chargen.evaluation.units import NATS_PER_BIT


def add_flags(command: Parser) -> None:
    add_checkpoint(command)
    command.add_argument("text", metavar="TEXT", help="a text, or a file of one, or - for stdin")
    add_device(command)
    add_json(command, "print one JSON line a token, then the totals")


def run(arguments: Arguments) -> int:
    """Show what each token of a text costs a model."""
    from chargen.data.documents import encode_text, read_documents
    from chargen.display.console import print_json
    from chargen.display.tables import TokenTable, show_score
    from chargen.evaluation.scores import NOTHING, score_of, token_nats
    from chargen.evaluation.surprisal import spelled
    from chargen.generation.generator import load

    generator = load(arguments.checkpoint, arguments.device)
    tokenizer = generator.tokenizer
    if is_file(arguments.text):
        texts = read_documents([arguments.text], tokenizer, generator.corpus_options)
    else:
        tokenizer.check(arguments.text)
        texts = iter([encode_text([arguments.text], tokenizer, generator.corpus_options)])
    table = None if arguments.json else TokenTable()
    total = NOTHING
    spellings = [spelled(piece) for piece in tokenizer.pieces]
    spellings[tokenizer.end] = "\n"  # within a text, what separates its documents
    for parts in texts:
        for part, nats in token_nats(generator.model, tokenizer, parts):
            total += score_of(part, nats)
            for token, cost in zip(part.tokens.tolist(), nats.tolist(), strict=True):
                text = spellings[token]
                if table is None:
                    bits = cost / NATS_PER_BIT
                    print_json({"token": token, "text": text, "nats": cost, "bits": bits})
                else:
                    table.row(text, cost)
    if not total.tokens:
        raise CorpusError("the text is empty", hint="there is nothing to score")
    if arguments.json:
        print_json(total.as_dict() | {"nats": total.nats, "bits": total.nats / NATS_PER_BIT})
    else:
        show_score(total)
    return 0
