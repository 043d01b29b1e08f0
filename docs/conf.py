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
html_static_path = ["_static"]
html_css_files = ["manual.css"]
# Quotes of code in docstrings stay as they are typed.
smartquotes = False

# The sections that other pages link to, by the anchors that a code host gives them, too.
myst_heading_anchors = 3

# Only what is typed is copied, without its prompt.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 90
# There is no network to look up the names of other libraries and of Python's own in.
nitpick_ignore_regex = [("py:.*", r"(?!chargen\.).*")]
# Docstrings are plain text in which `names` are code.
default_role = "code"
autodoc_member_order = "bysource"

DOCS = Path(__file__).parent.resolve()
LINK = re.compile(r"\]\(((?:\.\./)+[\w./-]+\.md)\)")


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_to_files_elsewhere)
    app.connect("autodoc-process-docstring", list_options)


def list_options(
    app: Sphinx, what: str, name: str, of: object, options: object, lines: list[str]
) -> None:
    """The options that `takes_options` adds to a docstring, a line each or several, as a list."""
    if "Options:" in lines:
        at = lines.index("Options:") + 1
        found = (re.sub(r"^    (\w+): ", r"- `\1`: ", line) for line in lines[at:])
        found = (line.replace("\\", r"\\") for line in found)  # a \n that is shown, not an escape
        lines[at:] = ["", *(re.sub(r"^ {8}", "  ", line) for line in found)]


def link_to_files_elsewhere(app: Sphinx, page: str, source: list[str]) -> None:
    """Links to Markdown outside of docs/, such as CONTRIBUTING.md, lead to the file: the manual
    has no page of it."""
    folder = (DOCS / page).parent

    def linked(match: re.Match[str]) -> str:
        path = (folder / match[1]).resolve()
        return match[0] if path.is_relative_to(DOCS) else f"](path:{match[1]})"

    source[0] = LINK.sub(linked, source[0])
