"""The page is one file, and its policy allows what is in it and nothing else."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from chargen.page.assemble import APP, ENGINE, FOLDER, page


def test_a_name_is_no_markup() -> None:
    text = page({"</script><blink>": b"</script>"}, title="</title><script>alert(1)</script>")
    assert "<blink>" not in text and "<script>alert" not in text


@pytest.mark.parametrize(("folder", "scripts"), [("engine", ENGINE), ("app", APP)])
def test_no_two_scripts_share_a_name(folder: str, scripts: tuple[str, ...]) -> None:
    """They are joined: a name that is declared twice would leave the page dead."""
    assert sorted(path.name for path in (FOLDER / folder).glob("*.js")) == sorted(scripts)
    declared = Counter(
        name
        for script in scripts
        for name in re.findall(
            r"^(?:async )?(?:function\*?|class|const|let) (\w+)",
            (FOLDER / folder / script).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    assert [name for name, count in declared.items() if count > 1] == []
