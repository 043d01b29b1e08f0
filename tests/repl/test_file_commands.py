"""Commands about models, sessions and what they are."""

from __future__ import annotations

import re
from pathlib import Path

from tests.repl.conftest import GREEDY, Piped


def test_what_a_session_is(say: Piped, checkpoint: Path) -> None:
    told = say("/story", "The sky", "/info", "/seed", "/keys vi", "/reset settings").stderr
    assert str(checkpoint) in told
    assert re.search("text so far +1 exchange", told)
    assert "the last text was sampled with seed" in told


def test_another_model_reads_the_text(say: Piped, subword_checkpoint: Path) -> None:
    done = say("/story", "/set max_tokens 5", "The sky", f"/load '{subword_checkpoint}'", "/info")
    assert f"talking to {subword_checkpoint}" in done.stderr
    assert "subword" in done.stderr


def test_a_session_is_saved_and_opened(say: Piped, tmp_path: Path) -> None:
    start = (GREEDY, "/set max_tokens 6", "/story", "The straw")
    whole = say(*start, "/continue", "/save s").stdout
    assert whole == say(*start, "/save s").stdout + say("/open s", "/continue").stdout
