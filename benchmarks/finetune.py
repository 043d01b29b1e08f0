"""Fine-tuning: what a smaller learning rate, replaying the old text and tokens for new characters
are worth.

    python benchmarks/finetune.py OLD NEW [--base-steps 3000] [--steps 600] [--hidden-size 128]

Trains a model on OLD, then goes on with its weights on --kilobytes of NEW, one choice changed at a
time, all else as planned. `new` and `old` are bits per character of text that was held out of each;
`learned` and `forgotten` are what they differ by from the model that it began with; `kept` is the
difference of the two, the larger the better. The learning rate is given as a factor of the one that
is planned for a new model.

The last rows have NEW with typographic quotes and dashes, which OLD lacks: once with a token for
each, once spelled in bytes, as the model would have it.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import chargen
from chargen.data.corpus import open_corpus
from chargen.training import planner, replay, setup

RATES = (2.0, 1.0, 0.5, 0.25, 0.12, 0.06)
SHARES = (0.0, 0.125, 0.25, 0.5)
HELD_OUT = 20_000  # characters of each text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--kilobytes", type=int, default=200)
    parser.add_argument("--base-steps", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--hidden-size", type=int, default=128)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        old, new = (_read(path) for path in (arguments.old, arguments.new))
        size = 1000 * arguments.kilobytes
        texts = {"old": old[HELD_OUT:], "new": new[HELD_OUT : HELD_OUT + size]}
        texts["typographic"] = typographic(texts["new"])
        for name, text in texts.items():
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")
        chargen.train(
            folder / "old.txt", out=folder / "base", steps=arguments.base_steps,
            hidden_size=arguments.hidden_size, quiet=True,
        )  # fmt: skip
        held_out = {"old": old[:HELD_OUT], "new": new[:HELD_OUT]}
        held_out["typographic"] = typographic(held_out["new"])
        rows(folder, held_out, arguments.steps)


def rows(folder: Path, held_out: dict[str, str], steps: int) -> None:
    print(f"{'':<24} {'new':>6} {'learned':>8} {'old':>6} {'forgotten':>10} {'kept':>7}")

    def row(name: str, kind: str = "new", **options: Any) -> None:
        out = folder / name.replace(" ", "-")
        text = folder / f"{kind}.txt"
        chargen.train(
            text, out=out, init_from=folder / "base", steps=steps, quiet=True,
            **options,
        )  # fmt: skip
        before, after = ([bits(model, held_out[which]) for which in (kind, "old")]
                         for model in (folder / "base", out))  # fmt: skip
        learned, forgotten = before[0] - after[0], after[1] - before[1]
        print(
            f"{name:<24} {after[0]:6.3f} {learned:8.3f} {after[1]:6.3f} {forgotten:10.3f} "
            f"{learned - forgotten:7.3f}",
            flush=True,
        )

    for factor in RATES:
        with patched(planner, "FINE_TUNING_RATE", factor):
            row(f"learning rate x {factor:g}")
    for share in SHARES:
        with patched(replay, "SHARE", share):
            old: dict[str, Any] = {"replay": folder / "old.txt"} if share else {}
            row(f"replay {share:.1%}", **old)
    row("new characters", "typographic")
    with patched(setup, "open_corpus", _without_extension):
        row("new characters in bytes", "typographic")


def bits(model: Path, text: str) -> float:
    """Bits per character that a text costs a model."""
    return chargen.load(model).score(text).bits_per_character


def typographic(text: str) -> str:
    """The text with the quotes and dashes of a printed book."""
    text = re.sub(r"(^|[\s(-])\"", "\\1\u201c", text)
    return text.replace('"', "\u201d").replace("'", "\u2019").replace("--", "\u2014")


@contextmanager
def patched(module: object, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _without_extension(*arguments: Any, extend: bool = False, **more: Any) -> Any:
    return open_corpus(*arguments, **more)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


if __name__ == "__main__":
    main()
