"""What a checkpoint is said to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chargen.checkpoint.metadata import read_metadata
from chargen.config import CorpusConfig
from chargen.display.checkpoints import facts_of


def test_how_weights_are_stored_is_shown_where_it_is_in_fewer_bits(checkpoint: Path) -> None:
    metadata = read_metadata(checkpoint)
    assert "weights" not in dict(facts_of(metadata, 1))
    few = dict(facts_of(replace(metadata, weights="float16"), 1))
    assert few["weights"] == "float16, computed in float32"


@pytest.mark.parametrize(
    ("documents", "says"),
    [("file", "kB)"), ("line", "kB), each line a document"),
     ("paragraph", "kB), each paragraph a document")],
)  # fmt: skip
def test_what_a_document_was_is_shown_where_it_is_no_file(
    checkpoint: Path, documents: str, says: str
) -> None:
    metadata = replace(read_metadata(checkpoint), corpus_options=CorpusConfig(documents=documents))
    assert dict(facts_of(metadata, 1))["corpus"].endswith(says)


def test_a_fresh_state_for_each_document_is_shown(checkpoint: Path) -> None:
    metadata = read_metadata(checkpoint)
    for fresh_state in (False, True):
        model = replace(metadata.model, fresh_state=fresh_state)
        corpus = dict(facts_of(replace(metadata, model=model), 1))["corpus"]
        assert ("a fresh state for each document" in corpus) == fresh_state
