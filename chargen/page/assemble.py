"""The page as one file: its style, its scripts, a model's files, and a policy that allows no more.

There is no build step: the scripts are joined as they are, so a name at the top of one is known in
all. What a model says of itself is never markup: its files are in base64.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
# In the order in which they are joined: each uses what stands before it when it is read.
ENGINE = (
    "errors.js",
    "words.js",
    "tokenizers.js",
    "sentencepiece.js",
    "json.js",
    "sha256.js",
    "safetensors.js",
    "weights.js",
    "products.js",
    "network.js",
    "philox.js",
    "sampling.js",
    "stopping.js",
    "healing.js",
    "pace.js",
    "states.js",
    "continuation.js",
    "text.js",
    "looking.js",
    "insight.js",
    "model.js",
    "worker.js",
)
APP = (
    "elements.js",
    "engine_client.js",
    "branches.js",
    "colours.js",
    "writing.js",
    "editor.js",
    "choices.js",
    "tree.js",
    "settings.js",
    "several.js",
    "chat.js",
    "share.js",
    "open.js",
    "server.js",
    "status.js",
    "shades.js",
    "equations.js",
    "network_drawing.js",
    "strips.js",
    "memory_charts.js",
    "chooser.js",
    "cells.js",
    "seen.js",
    "inside.js",
    "main.js",
)
STYLES = ("style.css", "inside.css")
BUNDLE_TYPE = "application/octet-stream"  # no script: a browser leaves it alone


def page(files: Mapping[str, bytes] | None = None, *, title: str = "chargen") -> str:
    """The page, which runs the model whose `files` it holds; without any it asks the server that it
    came from which there are, and a person for a file."""
    style, script, worker = styles(), app_script(), engine_script() + _read("engine/worker.js")
    # A page that holds its model is never in need of a connection.
    policy = {
        "default-src": "'none'",
        "script-src": _hash_of(script),
        "style-src": _hash_of(style),
        "worker-src": "blob:",
        "img-src": "data: blob:",
        "connect-src": "'self'" if files is None else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    parts = {
        "<!--policy-->": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "<!--title-->": html.escape(title),
        "<!--style-->": f"<style>{style}</style>",
        "<!--files-->": "\n".join(_embedded(name, data) for name, data in (files or {}).items()),
        "<!--worker-->": f'<script type="text/plain" id="worker">{worker}</script>',
        "<!--script-->": f"<script>{script}</script>",
    }
    # In one pass: what is put in is not looked through for marks.
    return re.sub("|".join(parts), lambda mark: parts[mark[0]], _read("index.html"))


def engine_script() -> str:
    """The engine without the messages of its worker: tests call it in a page."""
    return "".join(_read(f"engine/{name}") for name in ENGINE if name != "worker.js")


def app_script() -> str:
    return "".join(_read(f"app/{name}") for name in APP)


def styles() -> str:
    return "".join(_read(f"app/{name}") for name in STYLES)


def _embedded(name: str, data: bytes) -> str:
    content = base64.b64encode(data).decode()
    return f'<script type="{BUNDLE_TYPE}" data-file="{html.escape(name)}">{content}</script>'


def _hash_of(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
