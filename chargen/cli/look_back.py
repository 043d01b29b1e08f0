"""`chargen inspect --memory`: how far back networks look."""

from __future__ import annotations

from typing import Any

from chargen.cli.flags import Arguments
from chargen.cli.inputs import picture_to_draw
from chargen.errors import ConfigError, named


def run(arguments: Arguments, given: dict[str, Any]) -> int:
    """Measure each checkpoint with the options `given`, then show all side by side."""
    from chargen.checkpoint.locate import require_checkpoint
    from chargen.display.console import Bar, print_json, show_note
    from chargen.display.plots import FORMATS, draw_charts
    from chargen.insight.from_checkpoint import look_back
    from chargen.insight.memory import charts

    out = picture_to_draw(arguments.out, FORMATS, as_json=arguments.json)
    text = None if arguments.text is None else [arguments.text]
    if arguments.text == "-" and len(arguments.checkpoint) > 1:
        raise ConfigError(
            named("text") + " - can be read only once, not for several checkpoints",
            hint="name a file",
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
        show_note("these models have different vocabularies, so their losses cannot be compared")
    names = [looked.about.folder.resolve().name for looked in found]
    if len(set(names)) < len(names):
        names = arguments.checkpoint
    drawn = charts(names, [looked.horizon for looked in found])
    if out is not None:
        draw_charts(drawn, out)
        show_note(f"written to {out}")
    from chargen.display.insight import show_memory_curves

    show_memory_curves(names, [looked.horizon for looked in found], drawn)
    return 0
