"""How Sphinx builds the manual: `make docs`."""

from __future__ import annotations

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
