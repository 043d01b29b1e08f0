"""Texts as a model reads them: as the tokens of documents."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.data.boundaries import find_documents
from chargen.data.documents import EncodedText, encode_text
from chargen.tokenizers.byte import ByteTokenizer


@given(
    st.text(st.sampled_from("ab é\t\r\n\u2028"), max_size=30),
    st.lists(st.integers(0, 30), max_size=4),
    st.sampled_from(["file", "line", "paragraph"]),
    st.sampled_from(["keep", "lf"]),
)
def test_however_a_text_is_cut_it_is_the_documents_of_training(
    text: str, cuts: list[int], documents: str, newlines: str
) -> None:
    """The same tokens, and every byte of it stands for one."""
    tokenizer = ByteTokenizer()
    config = CorpusConfig(documents=documents, newlines=newlines)
    bounds = [0, *sorted(cuts), len(text)]
    chunks = [text[a:b] for a, b in pairwise(bounds)]
    found = EncodedText.joined(encode_text(chunks, tokenizer, config))
    if newlines == "lf":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    assert found.bytes.sum() == len(text.encode())
    assert found.characters.sum() == len(text)
    if documents == "file":
        assert bytes(found.tokens.tolist()) == text.encode()
        return
    ends = np.flatnonzero(found.tokens == tokenizer.end)
    read = [bytes(row[row != tokenizer.end].tolist()) for row in np.split(found.tokens, ends)]
    starts, stops = find_documents([text.encode()], documents)
    learned = [text.encode()[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
    assert [document for document in read if document] == learned
