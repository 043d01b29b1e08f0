"""The command line as tests call it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Done = subprocess.CompletedProcess[str]
Chargen = Callable[..., Done]
