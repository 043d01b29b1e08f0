from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats import notebook
from chargen.formats.content import Content
from chargen.formats.documents import Document, Remark


def read(data: str | bytes) -> list[Document]:
    data = data.encode() if isinstance(data, str) else data
    return list(notebook.read(Content.of("x.ipynb", data), CorpusConfig()))


CELLS = [
    {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "Some words.\n"]},
    {
        "cell_type": "code",
        "outputs": [{"data": {"text/plain": ["3"], "source": ["no"]}, "text": ["no"]}],
        "source": "x = 1 + 2\nx",
    },
    {"cell_type": "code", "outputs": [], "source": []},
]


def test_a_notebook_is_what_was_written_into_its_cells() -> None:
    whole = {"metadata": {"source": "no"}, "cells": CELLS, "nbformat": 4}
    text = "# Title\nSome words.\n\nx = 1 + 2\nx"
    assert read(json.dumps(whole)) == [text, Remark("2 cells")]
    old_cells = [CELLS[0], {"cell_type": "code", "input": ["x = 1 + 2\n", "x"], "outputs": []}]
    old = {"worksheets": [{"cells": old_cells, "metadata": {}}], "nbformat": 3}
    assert read(json.dumps(old)) == [text, Remark("2 cells")]
    assert read(json.dumps({"cells": [], "nbformat": 4})) == []


def test_what_is_no_notebook_is_told() -> None:
    with pytest.raises(CorpusError, match="no Jupyter notebook: it has no cells"):
        read('{"a": 1}')
    with pytest.raises(CorpusError, match="a cell whose source is no text"):
        read('{"cells": [{"source": 7}]}')
    with pytest.raises(CorpusError, match="not valid JSON"):
        read('{"cells": [{"source": "')


@given(st.binary(max_size=60))
def test_any_bytes_give_documents_or_an_error(data: bytes) -> None:
    content = Content.of("x.ipynb", b'{"cells": [' + data, "latin-1")
    with pytest.raises(CorpusError, match=r"^x\.ipynb"):
        list(notebook.read(content, CorpusConfig()))
