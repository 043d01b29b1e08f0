"""Whoever writes and scores texts on a CPU never waits for torch.

All uses run in one process, in which an import of torch is an error that says where it stands.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REFUSE = """\
import io, json, sys, traceback

class NoTorch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise RuntimeError("torch is imported")

sys.meta_path.insert(0, NoTorch)

def run_line(words, piped):
    from chargen.cli.main import main

    sys.stdin = io.TextIOWrapper(io.BytesIO(piped.encode()), encoding="utf-8")
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO()) for _ in range(2))
    try:
        code = main(words)
    except SystemExit as leaving:
        code = leaving.code
    sys.stderr.seek(0)
    assert not code, sys.stderr.read()

checkpoint, uses = json.loads(sys.argv[1])
found, streams = {}, (sys.stdin, sys.stdout, sys.stderr)
for name, words, piped in uses:
    try:
        if words:
            run_line(words, piped)
        else:
            exec(piped, {"CHECKPOINT": checkpoint})
        found[name] = ""
    except BaseException:
        found[name] = traceback.format_exc()
    sys.stdin, sys.stdout, sys.stderr = streams
assert "torch" not in sys.modules
print(json.dumps(found))
"""

LINES = {
    "sample": "CHECKPOINT -p The --max-tokens 5",
    "sample, a pipe": "CHECKPOINT --max-tokens 5",
    "sample, beams": "CHECKPOINT -p The --beams 3 --max-tokens 5",
    "sample, choices": "CHECKPOINT -p The --choices red,blue",
    "sample, several": "CHECKPOINT -p The -n 3 --max-tokens 5",
    "sample, out": "CHECKPOINT -p The -n 3 --max-tokens 5 --out samples.jsonl",
    "sample, resume": "CHECKPOINT -p The -n 5 --max-tokens 5 --out samples.jsonl --resume",
    "sample, shard": "CHECKPOINT -n 5 --max-tokens 5 --seed 1 --out part.jsonl --shard 2/3",
    "sample, json": "CHECKPOINT -p The --max-tokens 5 --json",
    "sample, every knob": "CHECKPOINT -p The --max-tokens 9 --top-k 9 --top-p 0.9 --min-p 0.01 "
    "--typical-p 0.9 --repetition-penalty 1.1 --presence-penalty 0.1 --frequency-penalty 0.1 "
    "--no-repeat-ngram 3 --ban z --charset a-z --temperature 0.5",
    "sample, until": "CHECKPOINT -p The --until word",
    "score": "CHECKPOINT The",
    "score, json": "CHECKPOINT The --json",
    "eval, prompts": "CHECKPOINT --prompts prompts.jsonl",
    "eval, texts": "CHECKPOINT text.txt",
    "classify": "CHECKPOINT The --labels red,blue",
    "list": "",
    "info": "CHECKPOINT",
    "set": "CHECKPOINT",
}
TALK = """\
The
/why
/why 3
/top
/top The
/top words The
/retry
/continue
/variants 2
/undo
/beams 3
The
/beams off
/set temperature 0.5
/seed 1
/story
The
 sky
/why
/save talk.json
/reset
/open talk.json
/chat
The
How?
/info
/list
"""
USES = [
    *((name, f"{name.partition(',')[0]} {line}".split(), "") for name, line in LINES.items()),
    ("repl", ["repl", "CHECKPOINT"], TALK),
    ("repl, json", ["repl", "CHECKPOINT", "--json"], TALK),
    ("repl, chat", ["repl", "CHECKPOINT", "--mode", "chat"], "The\n"),
    ("run", ["run", "CHECKPOINT", "The"], ""),
    ("load", [], "import chargen; model = chargen.load(CHECKPOINT); repr(model)"),
    (
        "generate",
        [],
        "import chargen; model = chargen.load(CHECKPOINT)\n"
        "model.generate('The', max_tokens=5, num_samples=2)\n"
        "model.generate(['The', 'A'], max_tokens=5); model.generate('The', beams=2, max_tokens=5)",
    ),
    ("stream", [], "import chargen; list(chargen.load(CHECKPOINT).stream('The', max_tokens=5))"),
    (
        "scores",
        [],
        "import chargen; model = chargen.load(CHECKPOINT); model.score('The')\n"
        "model.perplexity(['The', 'sky']); model.choose('The', ['red', 'blue'])",
    ),
    (
        "Session",
        [],
        "import chargen; session = chargen.Session(CHECKPOINT)\n"
        "list(session.answer('The')); session.enter('chat'); list(session.answer('The'))",
    ),
]


@pytest.fixture(scope="module")
def outcomes(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What went wrong, by the names of all uses."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "prompts.jsonl").write_text('{"prompt": "The sky is", "answer": " blue"}\n')
    (folder / "text.txt").write_text("The sky is blue.\n")
    uses = [
        (name, [word.replace("CHECKPOINT", str(checkpoint)) for word in words], piped)
        for name, words, piped in USES
    ]
    done = subprocess.run(
        [sys.executable, "-c", REFUSE, json.dumps([str(checkpoint), uses])],
        capture_output=True, encoding="utf-8", cwd=folder, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("use", [name for name, *_ in USES])
def test_no_torch_is_imported(outcomes: dict[str, str], use: str) -> None:
    if outcomes[use]:
        pytest.fail(outcomes[use], pytrace=False)
