"""How Sphinx builds the manual: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

import chargen

project = "chargen"
author = "the chargen authors"
copyright = f"2026, {author}"
version = release = chargen.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = "chargen"
html_show_sphinx = False

# The sections that other pages link to, by the anchors that a code host gives them, too.
myst_heading_anchors = 3

# Only what is typed is copied, without its prompt.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

autodoc_typehints = "description"
autodoc_member_order = "bysource"

DOCS = Path(__file__).parent.resolve()
LINK = re.compile(r"\]\(((?:\.\./)+[\w./-]+\.md)\)")


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_to_files_elsewhere)


def link_to_files_elsewhere(app: Sphinx, page: str, source: list[str]) -> None:
    """Links to Markdown outside of docs/, such as CONTRIBUTING.md, lead to the file: the manual
    has no page of it."""
    folder = (DOCS / page).parent

    def linked(match: re.Match[str]) -> str:
        path = (folder / match[1]).resolve()
        return match[0] if path.is_relative_to(DOCS) else f"](path:{match[1]})"

    source[0] = LINK.sub(linked, source[0])
