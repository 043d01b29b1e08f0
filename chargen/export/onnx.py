"""One step of a network as an ONNX graph, for programs that have neither chargen nor torch. The
only door to onnx, an optional extra.

In go a token and the state before it, out come the logits of what may follow and the state after
it: sampling is the caller's. Text is not the graph's business, so how to make tokens of it stands
in the metadata, and once more in a file beside, since in a browser onnxruntime shows no metadata.
The operators are plain ones, a node for each operation of a cell's equation, so that a graph viewer
shows the equations.

Letters: B rows, V vocabulary, E embedding, H hidden, G gates of a cell, P parts of the state.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen import __version__
from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.config import CorpusConfig, ModelConfig
from chargen.errors import ChargenError, OutputError
from chargen.export.files import check_target, write_target
from chargen.export.source import card_to_export, loaded, shown_name
from chargen.generation.generator import TextGenerator
from chargen.nn.engine import initial_state
from chargen.nn.weights import Array, Bools, Weights
from chargen.runtime.files import encode
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.subword import SubwordTokenizer
from chargen.tokenizers.word import WordTokenizer

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

# The first opset with LayerNormalization, and the version of the format that belongs to it: what is
# older than two years runs both.
OPSET, IR_VERSION = 17, 8
SUFFIX, TOKENIZER_SUFFIX = ".onnx", ".tokenizer.json"
MAX_BYTES = 2**31 - 1  # of a protobuf message, which an ONNX file is
NORM_EPSILON = 1e-5  # as nn.LayerNorm has it

_NOTES = {
    "input": "how much of the candidate comes into the cell: 0 nothing, 1 all",
    "forget": "how much of the cell's memory is kept: 0 nothing, 1 all",
    "output": "how much of the cell's memory is shown: 0 nothing, 1 all",
    "reset": "how much of the state before the candidate sees: 0 nothing, 1 all",
    "update": "how much of the state before is kept instead of the candidate: 0 nothing, 1 all",
    "candidate": "what the cell would remember of what it reads",
}


def export_onnx(
    checkpoint: str | os.PathLike[str] | TextGenerator,
    out: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write one step of a network as an ONNX graph, and beside it its tokenizer as JSON.

    `checkpoint` is a folder, a name, or a model that was loaded from one. `out` is the file of the
    graph (default: the checkpoint's name and .onnx, in the current folder); the tokenizer's ends in
    .tokenizer.json instead. `overwrite` replaces what is there. The same checkpoint gives the same
    bytes. Returns the path of the graph. Raises ChargenError.

    Inputs: `token`, int64 (batch,), and `state`, float32 (batch, parts, hidden), zeros at first:
    the h of each layer from below, then, in an LSTM, the c of each. Outputs: `logits`, float32
    (batch, vocab), of the next token, and `next_state`. How to make tokens of a text
    stands in the metadata, and in the file beside.
    """
    _check_installed()
    generator, about = loaded(checkpoint)
    name = about.folder.resolve().name
    target = check_target(out, name, SUFFIX, overwrite=overwrite)
    beside = check_target(tokenizer_beside(target), name, SUFFIX, overwrite=overwrite)
    weights, options = generator.weights, about.corpus_options
    tokenizer = encode(tokenizer_facts(generator.tokenizer, weights.seen, options))
    model = graph_of(weights, _metadata(about, tokenizer), generator.tokenizer.end)
    write_target(target, model.SerializeToString(deterministic=True))
    write_target(beside, tokenizer)
    return target


def tokenizer_beside(graph: Path) -> Path:
    """Where the tokenizer of a graph lies, as JSON."""
    return graph.with_name(graph.name.removesuffix(SUFFIX) + TOKENIZER_SUFFIX)


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ChargenError(
            "exporting to ONNX needs the package onnx, which is not installed",
            hint="pip install 'chargen[onnx]'",
        ) from error


# -- the graph --------------------------------------------------------------------------------


def graph_of(weights: Weights, metadata: dict[str, str], end: int = -1) -> ModelProto:
    """The graph of a network with its metadata, among which is its name; `end` is the token between
    documents, if it ever reads one. Raises OutputError where it is too large."""
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    constants = _constants(weights, end)
    num_bytes = sum(array.nbytes for array in constants.values()) + sum(map(len, metadata.values()))
    if num_bytes > 0.99 * MAX_BYTES:  # its nodes take little
        raise OutputError(
            f"the weights take {num_bytes / 1e9:.1f} GB, and an ONNX file holds no more than "
            f"{MAX_BYTES / 1e9:.1f} GB",
            hint="export a smaller model",
        )
    _, parts, size = initial_state(weights.config).shape

    def value(name: str, kind: int, *shape: int) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, ["batch", *shape])

    graph = helper.make_graph(
        _nodes_of(weights.config),
        metadata["name"],
        [value("token", TensorProto.INT64), value("state", TensorProto.FLOAT, parts, size)],
        [
            value("logits", TensorProto.FLOAT, weights.vocab_size),
            value("next_state", TensorProto.FLOAT, parts, size),
        ],
        [
            numpy_helper.from_array(np.asarray(array, order="C"), constant)
            for constant, array in sorted(constants.items())
        ],
        doc_string="One step: a token and the state before it in, the logits of what may follow "
        "and the state after it out.",
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="chargen",
        producer_version=__version__,
    )
    helper.set_model_props(model, metadata)
    # With the shape of each value, which a viewer shows.
    return shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


class _Nodes:
    """The nodes of a graph, in order. Each goes by the name of the value that it makes, after the
    prefix of its layer."""

    def __init__(self, prefix: str = "", nodes: list[NodeProto] | None = None) -> None:
        self.prefix = prefix
        self.list: list[NodeProto] = [] if nodes is None else nodes

    def within(self, layer: str) -> _Nodes:
        """The same graph, whose next nodes are of this layer."""
        return _Nodes(f"{layer}.", self.list)

    def add(self, name: str, operator: str, *inputs: str, **attributes: float) -> str:
        """Make one value of others; its full name."""
        self._add(name, operator, inputs, [self.prefix + name], attributes)
        return self.prefix + name

    def split(self, name: str, value: str, parts: Sequence[str]) -> list[str]:
        """Cut a (B, N) value into as many of equal width; their full names."""
        outputs = [f"{self.prefix}{part}" for part in parts]
        self._add(name, "Split", [value], outputs, {"axis": 1})
        return outputs

    def _add(
        self,
        name: str,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: dict[str, float],
    ) -> None:
        from onnx import helper

        node = helper.make_node(operator, inputs, outputs, self.prefix + name, _NOTES.get(name))
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in attributes)
        self.list.append(node)


def _nodes_of(config: ModelConfig) -> list[NodeProto]:
    """The network as operators: `token` (B,) and `state` (B, P, H) in, `logits` (B, V) and
    `next_state` (B, P, H) out."""
    nodes = _Nodes()
    embedding = "head.weight" if config.tie_weights else "embedding.weight"
    x, width = nodes.add("embedding", "Gather", embedding, "token"), config.embedding_size  # (B, E)
    layers = [f"layers.{index}" for index in range(config.num_layers)]
    parts = ("h", "c") if config.cell == "lstm" else ("h",)
    row = nodes.add("state_in_a_row", "Reshape", "state", "shape_of_a_row")  # (B, P * H)
    if config.fresh_state:
        begins = nodes.add("begins", "Equal", "token", "end")  # (B,)
        begins = nodes.add("begins_in_a_column", "Unsqueeze", begins, "last_axis")  # (B, 1)
        row = nodes.add("fresh_state", "Where", begins, "zero", row)
    memory = [f"{layer}.{part}" for part in parts for layer in layers]
    nodes.split("memory", row, memory)  # (B, H) each
    after = []
    for index, layer in enumerate(layers):
        own = nodes.within(layer)
        before = [f"{layer}.{part}" for part in parts]
        read = own.add(
            "read", "Gemm", x, f"{layer}.weight_ih_l0", f"{layer}.bias_ih_l0", transB=1
        )  # (B, G * H)
        recurrent = own.add(
            "recurrent", "Gemm", before[0], f"{layer}.weight_hh_l0", f"{layer}.bias_hh_l0", transB=1
        )  # (B, G * H)
        after.append(_equation_of(config)(own, read, recurrent, before))
        y = after[-1][0]  # (B, H)
        if config.layer_norm:
            norm = f"norms.{index}"
            y = nodes.add(
                norm,
                "LayerNormalization",
                y,
                f"{norm}.weight",
                f"{norm}.bias",
                epsilon=NORM_EPSILON,
            )
        if config.residual and width == config.hidden_size:
            y = own.add("residual", "Add", x, y)
        x, width = y, config.hidden_size  # (B, H)
    nodes.add("logits", "Gemm", x, "head.weight", "head.bias", transB=1)  # (B, V)
    by_part = [part for layers_of_part in zip(*after, strict=True) for part in layers_of_part]
    row = nodes.add("next_state_in_a_row", "Concat", *by_part, axis=1)  # (B, P * H)
    nodes.add("next_state", "Reshape", row, "shape_of_state")  # (B, P, H)
    return nodes.list


def _constants(weights: Weights, end: int) -> dict[str, Array]:
    """What the nodes use by name."""
    _, parts, size = initial_state(weights.config).shape
    constants = {name: array for name, array in weights.arrays.items() if name != "seen"}
    if weights.config.cell == "gru":
        constants["one"] = np.array(1, np.float32)
    if weights.config.fresh_state:
        constants["end"], constants["last_axis"] = np.array(end, np.int64), np.array([1], np.int64)
        constants["zero"] = np.array(0, np.float32)
    return constants | {  # 0 stands for as many rows as there are
        "shape_of_a_row": np.array([0, parts * size], np.int64),
        "shape_of_state": np.array([0, parts, size], np.int64),
    }


# Adds the nodes of a layer's cell: given what comes from below and from the step before,
# (B, G * H) each, biases included, and the memory before, (B, H) each part; names what there is of
# it then.
Equation = Callable[[_Nodes, str, str, list[str]], list[str]]


def _equation_of(config: ModelConfig) -> Equation:
    kind = f"rnn {config.nonlinearity}" if config.cell == "rnn" else config.cell
    return _EQUATIONS[kind]


def _lstm(nodes: _Nodes, read: str, recurrent: str, before: list[str]) -> list[str]:
    total = nodes.add("sum", "Add", read, recurrent)
    names = ("input_sum", "forget_sum", "candidate_sum", "output_sum")
    i, f, g, o = nodes.split("gates", total, names)
    i = nodes.add("input", "Sigmoid", i)
    f = nodes.add("forget", "Sigmoid", f)
    g = nodes.add("candidate", "Tanh", g)
    o = nodes.add("output", "Sigmoid", o)
    kept, new = nodes.add("kept", "Mul", f, before[1]), nodes.add("new", "Mul", i, g)
    c = nodes.add("cell", "Add", kept, new)
    return [nodes.add("hidden", "Mul", o, nodes.add("cell_tanh", "Tanh", c)), c]


def _gru(nodes: _Nodes, read: str, recurrent: str, before: list[str]) -> list[str]:
    r, z, n = nodes.split("read_gates", read, ("reset_read", "update_read", "candidate_read"))
    names = ("reset_recurrent", "update_recurrent", "candidate_recurrent")
    r_before, z_before, n_before = nodes.split("recurrent_gates", recurrent, names)
    r = nodes.add("reset", "Sigmoid", nodes.add("reset_sum", "Add", r, r_before))
    z = nodes.add("update", "Sigmoid", nodes.add("update_sum", "Add", z, z_before))
    n_before = nodes.add("candidate_reset", "Mul", r, n_before)
    n = nodes.add("candidate", "Tanh", nodes.add("candidate_sum", "Add", n, n_before))
    new = nodes.add("new", "Mul", nodes.add("update_inverse", "Sub", "one", z), n)
    kept = nodes.add("kept", "Mul", z, before[0])
    return [nodes.add("hidden", "Add", new, kept)]


def _rnn_tanh(nodes: _Nodes, read: str, recurrent: str, before: list[str]) -> list[str]:
    return [nodes.add("hidden", "Tanh", nodes.add("sum", "Add", read, recurrent))]


def _rnn_relu(nodes: _Nodes, read: str, recurrent: str, before: list[str]) -> list[str]:
    return [nodes.add("hidden", "Relu", nodes.add("sum", "Add", read, recurrent))]


_EQUATIONS: dict[str, Equation] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn tanh": _rnn_tanh,
    "rnn relu": _rnn_relu,
}


# -- the metadata -----------------------------------------------------------------------------


def tokenizer_facts(tokenizer: Tokenizer, seen: Bools, options: CorpusConfig) -> dict[str, Any]:
    """All that turns a text into tokens and back, as JSON-able values: `pieces`, the bytes of each
    token in base64; `end`, the token between documents, after which a text begins; `unseen`, the
    tokens that training never saw, which are not to be sampled; how `documents` end in a text and
    what becomes of its `newlines`. Of subwords also what sentencepiece knows: each piece's score
    and type, and its model. Of words also the expressions by which a text is cut."""
    facts: dict[str, Any] = {
        "kind": tokenizer.kind,
        "end": tokenizer.end,
        "documents": options.documents,
        "newlines": options.newlines,
        "unseen": np.flatnonzero(~seen).tolist(),
        "pieces": [_base64(piece) for piece in tokenizer.pieces],
    }
    if isinstance(tokenizer, SubwordTokenizer):
        facts |= tokenizer.rules() | {"sentencepiece": _base64(tokenizer.serialize())}
    if isinstance(tokenizer, WordTokenizer):
        facts |= tokenizer.rules()
    return facts


def _metadata(about: CheckpointMetadata, tokenizer: bytes) -> dict[str, str]:
    """What the graph says of itself: texts by name, JSON where there are several values."""
    card, options = card_to_export(about).decode("utf-8", "replace"), about.corpus_options
    facts = {
        "name": shown_name(about.folder),
        "tokenizer": tokenizer.decode(),
        "turns": encode({"user": options.user, "bot": options.bot}).decode(),
        "sampling": encode(about.sampling.given).decode(),
        "card": card,
    }
    header = card.partition("---\n")[2].partition("\n---")[0]
    license_line = re.search(r"^license: *(\S.*)$", header, re.MULTILINE)
    return facts | ({"license": license_line[1].strip()} if license_line else {})


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
