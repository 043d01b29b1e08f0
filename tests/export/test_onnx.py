"""The graph is the network, and its metadata the tokenizer, for programs that have no chargen."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnxruntime import InferenceSession
from sentencepiece import SentencePieceProcessor

import chargen
from chargen.config import CorpusConfig
from chargen.errors import ChargenError, CheckpointError, OutputError
from chargen.export.onnx import export_onnx, graph_of, tokenizer_facts
from chargen.nn.transfer import array_of, state_of, weights_of
from chargen.runtime.files import encode
from tests.support.networks import CELLS, OPTIONS, VOCAB_SIZE, network
from tests.support.tokenizers import SAMPLE, tokenizer

STEPS = 200


@pytest.mark.parametrize("options", [*OPTIONS, {"embedding_size": 48, "residual": True}], ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=str)
@torch.inference_mode()
def test_the_graph_is_the_network(cell: dict[str, Any], options: dict[str, Any]) -> None:
    model = network(**cell, **options)
    graph = graph_of(weights_of(model), {"name": "any"})
    onnx.checker.check_model(graph, full_check=True)
    session = InferenceSession(graph.SerializeToString())
    for rows in (1, 5):
        tokens = torch.randint(
            VOCAB_SIZE, (rows, STEPS), generator=torch.Generator().manual_seed(1)
        )
        state = array_of(model.initial_state(rows))
        expected, after = model(tokens, model.initial_state(rows))  # (B, T, V)
        for place in range(STEPS):
            read = {"token": tokens[:, place].numpy(), "state": state}
            logits, state = session.run(["logits", "next_state"], read)
            assert np.allclose(logits, expected[:, place].numpy(), atol=1e-4)
        assert np.allclose(state, array_of(after), atol=1e-4)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@torch.inference_mode()
def test_the_graph_forgets_at_the_end_of_a_document_as_the_network_does(
    cell: dict[str, Any],
) -> None:
    end, model = 7, network(**cell, fresh_state=True)
    graph = graph_of(weights_of(model), {"name": "any"}, end)
    onnx.checker.check_model(graph, full_check=True)
    session = InferenceSession(graph.SerializeToString())
    tokens = torch.tensor([[1, 2, end, 3, 4], [end, 5, 6, 7, end]])
    state = array_of(model.initial_state(2)) + np.float32(0.5)
    begun = state_of(state, model)
    outputs, after = model.read_documents(tokens, begun, end)
    expected = model.output_logits(outputs)
    for place, column in enumerate(tokens.T):
        read = {"token": column.numpy(), "state": state}
        logits, state = session.run(["logits", "next_state"], read)
        assert np.allclose(logits, expected[:, place].numpy(), atol=1e-4)
    assert np.allclose(state, array_of(after), atol=1e-4)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_graph_says_its_shapes_and_holds_each_weight_once(options: dict[str, Any]) -> None:
    model = network(**options)
    graph = graph_of(weights_of(model), {"name": "any"}).graph
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output, *graph.value_info)
    }
    parts = 2 * model.config.num_layers
    assert shapes["token"] == ["batch"]
    assert shapes["state"] == shapes["next_state"] == ["batch", parts, 48]
    assert shapes["logits"] == ["batch", VOCAB_SIZE]
    assert all(shapes[node.output[0]] for node in graph.node)
    numbers = [np.prod(constant.dims) for constant in graph.initializer if constant.data_type == 1]
    assert sum(numbers) == model.num_parameters


def test_every_value_and_node_has_a_name_of_its_own() -> None:
    for cell in CELLS:
        graph = graph_of(weights_of(network(**cell, layer_norm=True)), {"name": "any"}).graph
        made = [name for node in graph.node for name in node.output]
        assert len(set(made)) == len(made) and len({node.name for node in graph.node}) > 1
        assert len({node.name for node in graph.node}) == len(graph.node)


# -- the metadata -----------------------------------------------------------------------------


def described(path: Path) -> dict[str, str]:
    return dict(InferenceSession(path).get_modelmeta().custom_metadata_map)


def test_it_says_what_a_program_needs_to_know(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# Mine\n", encoding="utf-8")
    path = export_onnx(folder, folder / "graph.onnx")
    facts = described(path)
    assert facts["name"] == "moved elsewhere" and facts["license"] == "cc-by-4.0"
    assert facts["card"].endswith("# Mine\n")
    assert json.loads(facts["turns"]) == {"user": "You:", "bot": "Bot:"}
    assert json.loads(facts["sampling"]) == {}
    assert (folder / "graph.tokenizer.json").read_text(encoding="utf-8") == facts["tokenizer"]
    model = onnx.load(path)
    assert (model.producer_name, model.producer_version) == ("chargen", chargen.__version__)


def test_a_folder_without_a_card_gets_one(folder: Path) -> None:
    (folder / "README.md").unlink()
    facts = described(export_onnx(folder, folder / "graph.onnx"))
    assert "# moved elsewhere" in facts["card"] and "license" not in facts
    assert not (folder / "README.md").exists()


@pytest.mark.parametrize("kind", ["byte", "char", "unigram", "bpe", "word"])
def test_tokens_are_bytes_and_those_never_seen_are_named(kind: str) -> None:
    known = tokenizer(kind)
    seen = np.random.default_rng(1).random(known.vocab_size) < 0.5
    facts = tokenizer_facts(known, seen, CorpusConfig(documents="line", newlines="lf"))
    assert json.loads(encode(facts)) == facts
    assert [base64.b64decode(piece) for piece in facts["pieces"]] == known.pieces
    assert facts["kind"] == known.kind and facts["end"] == known.end
    assert (facts["documents"], facts["newlines"]) == ("line", "lf")
    assert not seen[facts["unseen"]].any() and len(facts["unseen"]) + seen.sum() == len(seen)


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_subwords_come_with_the_rules_of_sentencepiece(algorithm: str) -> None:
    known = tokenizer(algorithm)
    facts = tokenizer_facts(known, np.ones(known.vocab_size, np.bool_), CorpusConfig())
    assert facts["algorithm"] == algorithm
    model = SentencePieceProcessor(model_proto=base64.b64decode(facts["sentencepiece"]))
    assert model.encode(SAMPLE) == known.encode(SAMPLE)
    for token, (score, kind) in enumerate(zip(facts["scores"], facts["types"], strict=True)):
        assert score == model.get_score(token)
        assert (kind == "byte") == model.is_byte(token)
        assert (kind == "control") == model.is_control(token)
        assert (kind == "unknown") == model.is_unknown(token)
        assert (kind == "user_defined") == (known.pieces[token] == b"\n" and kind != "byte")


def test_words_come_with_the_expressions_that_find_them() -> None:
    known = tokenizer("word")
    facts = tokenizer_facts(known, np.ones(known.vocab_size, np.bool_), CorpusConfig())
    found = re.findall(facts["word"], SAMPLE)
    assert "".join(found) == SAMPLE
    ids = {base64.b64decode(piece): token for token, piece in enumerate(facts["pieces"])}
    assert [ids[word.encode()] for word in found] == known.encode(SAMPLE)


# -- the files --------------------------------------------------------------------------------


def test_the_same_checkpoint_gives_the_same_bytes(checkpoint: Path, tmp_path: Path) -> None:
    one, two = (export_onnx(checkpoint, tmp_path / name) for name in ("one.onnx", "two.onnx"))
    assert one.read_bytes() == two.read_bytes()


def test_it_goes_by_the_name_of_the_checkpoint(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_onnx(checkpoint) == Path("tiny.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.onnx", "tiny.tokenizer.json"]


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.tokenizer.json"])
def test_a_file_in_the_way_stays_unless_asked(name: str, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=rf"{name} exists; replace it, with overwrite=True"):
        export_onnx(checkpoint, tmp_path / "tiny.onnx")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
    export_onnx(checkpoint, tmp_path / "tiny.onnx", overwrite=True)
    assert (tmp_path / name).stat().st_size > 1000


def test_mistakes_are_told_in_one_line(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        export_onnx(checkpoint, tmp_path)
    with pytest.raises(OutputError, match=r"there is no folder .*; create it first"):
        export_onnx(checkpoint, tmp_path / "none" / "tiny.onnx")
    with pytest.raises(CheckpointError):
        export_onnx(tmp_path / "none")
    monkeypatch.setattr("chargen.export.onnx.MAX_BYTES", 10_000)
    with pytest.raises(
        OutputError, match=r"^the weights take 0.0 GB, and an ONNX file holds no more"
    ):
        export_onnx(checkpoint, tmp_path / "tiny.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ChargenError, match=r"not installed; pip install 'chargen\[onnx\]'"):
        export_onnx(checkpoint, tmp_path / "tiny.onnx")
    assert list(tmp_path.iterdir()) == []
