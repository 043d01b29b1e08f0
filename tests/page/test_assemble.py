"""The page is one file, and its policy allows what is in it and nothing else."""

from __future__ import annotations

from chargen.page.assemble import page


def test_a_name_is_no_markup() -> None:
    text = page({"</script><blink>": b"</script>"}, title="</title><script>alert(1)</script>")
    assert "<blink>" not in text and "<script>alert" not in text
