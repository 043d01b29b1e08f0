"""Batches of documents: an epoch has each once, and what stands beside one changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.data.document_batches import (
    SORTED_BATCHES,
    DocumentLoader,
    Documents,
    find_documents,
    read_side_by_side,
)
from chargen.data.shards import Shards
from chargen.errors import CorpusError

END = 9
texts = st.lists(st.integers(0, 3).map(lambda token: END if token == 3 else token), max_size=40)


def documents_of(tokens: list[int]) -> list[list[int]]:
    """The plain way."""
    found: list[list[int]] = [[]]
    for token in tokens:
        found[-1].append(token)
        if token == END:
            found.append([])
    return found if found[-1] else found[:-1]


@given(texts, st.integers(1, 7))
def test_every_token_is_of_one_document(tokens: list[int], cut: int) -> None:
    row = np.array(tokens, np.uint16)
    for read in (row, Shards([row[:cut], row[cut:]], np.uint16)):
        found = find_documents(read, END)
        spans = zip(found.starts.tolist(), found.lengths.tolist(), strict=True)
        assert [tokens[start : start + length] for start, length in spans] == documents_of(tokens)


@given(texts, st.integers(1, 6))
def test_documents_side_by_side_are_what_each_is_by_itself(tokens: list[int], length: int) -> None:
    """Whatever stands beside it, and in however many pieces: no token is left out, none of what is
    padded counts, and the places say where each is."""
    row = np.array(tokens, np.uint16)
    documents = find_documents(row, END)
    some = len(documents) // 2 + 1
    chosen = np.random.default_rng(len(tokens)).permutation(len(documents))[:some]
    read: list[list[int]] = [[] for _ in chosen]
    begun: list[list[int]] = [[] for _ in chosen]
    for piece in read_side_by_side(row, documents, chosen, END, length):
        assert piece.inputs.shape == piece.targets.shape == piece.places.shape
        assert 0 < piece.inputs.shape[1] <= length
        assert not piece.beyond.all(axis=1).any()
        kept = ~piece.beyond
        assert np.array_equal(piece.targets[kept], row[piece.places[kept]])
        for index, counts in enumerate(kept):
            read[index] += piece.targets[index][counts].tolist()
            begun[index] += piece.inputs[index][counts].tolist()
    found = sorted(documents_of(tokens)[index] for index in chosen.tolist())
    assert sorted(read) == found
    assert [len(document) for document in read] == sorted(map(len, found), reverse=True)
    assert begun == [[END, *document[:-1]] for document in read]


@pytest.mark.parametrize("count", [1, 7, 8, 2 * SORTED_BATCHES * 8 + 3])
def test_an_epoch_has_each_document_once(count: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 30, count)
    documents = Documents(np.cumsum(lengths) - lengths, lengths)
    loader = DocumentLoader(documents, batch_size=8, seed=1)
    steps = loader.steps_per_epoch
    epochs = [[loader.chosen(n * steps + k).tolist() for k in range(steps)] for n in range(3)]
    for epoch in epochs:
        assert sorted(index for batch in epoch for index in batch) == list(range(count))
        assert sum(len(batch) == 8 for batch in epoch) >= count // 8
    if count > 8:
        assert epochs[0] != epochs[1] != epochs[2]


def test_what_a_step_reads_follows_from_its_number() -> None:
    documents = Documents(np.arange(0, 200, 2), np.full(100, 2))
    loaders = [DocumentLoader(documents, batch_size=8, seed=seed) for seed in (1, 1, 2)]
    steps = range(40)
    in_order, backwards, of_another = (
        [loader.chosen(step).tolist() for step in order]
        for loader, order in zip(loaders, (steps, reversed(steps), steps), strict=True)
    )
    assert in_order == backwards[::-1]
    assert in_order != of_another


def test_documents_of_a_batch_are_of_similar_lengths() -> None:
    lengths = np.random.default_rng(0).integers(1, 30, 8 * SORTED_BATCHES)
    loader = DocumentLoader(Documents(np.cumsum(lengths) - lengths, lengths), batch_size=8, seed=1)
    spreads = [np.ptp(lengths[loader.chosen(step)]) for step in range(loader.steps_per_epoch)]
    assert max(spreads) <= 3 < np.ptp(lengths)


def test_a_text_without_documents_is_reported() -> None:
    with pytest.raises(CorpusError, match="empty"):
        DocumentLoader(find_documents(np.array([], np.uint16), END), batch_size=8, seed=1)
