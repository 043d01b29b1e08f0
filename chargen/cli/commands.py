"""The commands. Help, dispatch and the complaint about an unknown one read these rows.

Each has a file of its own, which imports what is heavy only when it is run.
"""

from __future__ import annotations

from chargen.cli import (
    classify,
    eval_,
    filing,
    info,
    inspect_,
    lab,
    list_,
    plot,
    repl,
    sample,
    score,
    set_,
    train,
)
from chargen.cli.flags import Command

# In the order of the help.
COMMANDS = {
    "train": Command("train a model on a text", train.add_flags, train.run),
    "sample": Command("write text that continues a prompt", sample.add_flags, sample.run),
    "repl": Command("talk to a model", repl.add_flags, repl.run),
    "eval": Command("score texts: loss, perplexity, bits per byte", eval_.add_flags, eval_.run),
    "classify": Command("classify texts, by likelihood", classify.add_flags, classify.run),
    "score": Command("show how each token of a text surprises a model", score.add_flags, score.run),
    "inspect": Command(
        "show what a text does to a network, and how far back it looks",
        inspect_.add_flags,
        inspect_.run,
    ),
    "lab": Command(
        "try out what networks remember and forget, a minute each", lab.add_flags, lab.run
    ),
    "plot": Command("plot learning curves into a PNG, SVG or PDF file", plot.add_flags, plot.run),
    "info": Command("show what a checkpoint is", info.add_flags, info.run),
    "list": Command("list the checkpoints below ./checkpoints", list_.add_flags, list_.run),
    "set": Command("show or change how a checkpoint is sampled", set_.add_flags, set_.run),
    "rm": Command("remove checkpoints, after a question", filing.add_rm_flags, filing.rm),
    "mv": Command("give a checkpoint another name or place", filing.add_mv_flags, filing.mv),
    "cp": Command("copy a checkpoint", filing.add_cp_flags, filing.cp),
}
DEFAULT = "repl"
# What other tools call them.
ALIASES = {
    "generate": Command("sample", sample.add_flags, sample.run),
    "run": Command("repl, or one answer to a prompt", repl.add_run_flags, repl.run),
    "ls": Command("list", list_.add_flags, list_.run),
    "chat": Command("repl, talking in turns", repl.add_chat_flags, repl.run),
}
