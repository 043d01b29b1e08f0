"""Where a user's own files belong, by the XDG base directory specification."""

from __future__ import annotations

import os
from pathlib import Path


def user_folder(variable: str, in_home: str) -> Path | None:
    """chargen's folder below the one that an environment variable names, or else below this one in
    the user's home; None where no home is known. It need not exist."""
    base = os.environ.get(variable) or os.path.join(os.path.expanduser("~"), in_home)
    return None if base.startswith("~") else Path(base) / "chargen"


def state_folder() -> Path | None:
    """Where to remember what a user did: `$XDG_STATE_HOME/chargen` or `~/.local/state/chargen`."""
    return user_folder("XDG_STATE_HOME", ".local/state")
