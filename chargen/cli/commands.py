"""The commands. Help, dispatch and the complaint about an unknown one read these rows.

Each has a file of its own, which imports what is heavy only when it is run.
"""

from __future__ import annotations

from chargen.cli import (
    archive,
    classify,
    completion,
    eval_,
    export,
    filing,
    info,
    inspect_,
    lab,
    list_,
    plot,
    repl,
    sample,
    score,
    serve,
    set_,
    train,
)
from chargen.cli.flags import Arguments, Command, Parser, whole_parser


def complete_parser() -> Parser:
    """The parser of all commands and aliases with all their flags, which takes a while to make."""
    return whole_parser(COMMANDS, ALIASES, with_flags=True)


def _print_completion(arguments: Arguments) -> int:
    return completion.run(arguments, complete_parser())


# In the order of the help.
COMMANDS = {
    "train": Command("train a model on a text", train.add_flags, train.run),
    "sample": Command("generate text that continues a prompt", sample.add_flags, sample.run),
    "repl": Command("talk to a model", repl.add_flags, repl.run),
    "serve": Command("serve models to clients of the OpenAI API", serve.add_flags, serve.run),
    "eval": Command("score texts: loss, perplexity, bits per byte", eval_.add_flags, eval_.run),
    "classify": Command("classify texts by likelihood", classify.add_flags, classify.run),
    "score": Command("show how surprising each token of a text is", score.add_flags, score.run),
    "inspect": Command(
        "look inside a network while it reads a text, or measure how far back it looks",
        inspect_.add_flags,
        inspect_.run,
    ),
    "lab": Command(
        "run small experiments on what networks remember and forget", lab.add_flags, lab.run
    ),
    "plot": Command("plot learning curves as PNG, SVG or PDF", plot.add_flags, plot.run),
    "info": Command("describe a checkpoint", info.add_flags, info.run),
    "list": Command("list the checkpoints in ./checkpoints", list_.add_flags, list_.run),
    "set": Command("show or change a checkpoint's sampling defaults", set_.add_flags, set_.run),
    "rm": Command("remove checkpoints, after asking", filing.add_rm_flags, filing.rm),
    "mv": Command("rename or move a checkpoint", filing.add_mv_flags, filing.mv),
    "cp": Command("copy a checkpoint", filing.add_cp_flags, filing.cp),
    "pack": Command("pack a checkpoint into one .zip file", archive.add_pack_flags, archive.pack),
    "unpack": Command(
        "unpack a checkpoint from a .zip file", archive.add_unpack_flags, archive.unpack
    ),
    "export": Command(
        "write a model into a page for any browser, an ONNX graph, or a smaller checkpoint",
        export.add_flags,
        export.run,
    ),
    "completion": Command(
        "print a completion script for bash, zsh or fish", completion.add_flags, _print_completion
    ),
}
DEFAULT = "repl"
# What other tools call them.
ALIASES = {
    "generate": Command("sample", sample.add_flags, sample.run),
    "run": Command("repl, or the answer to one prompt", repl.add_run_flags, repl.run),
    "ls": Command("list", list_.add_flags, list_.run),
    "chat": Command("repl in chat mode", repl.add_chat_flags, repl.run),
}
