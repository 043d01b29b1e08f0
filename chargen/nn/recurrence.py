"""One recurrent layer on a CPU, forward and backward, in as few calls as do it.

Torch's GRU and plain RNN take many small operations a place there, and more of them backward; its
LSTM is one function of oneDNN's. Here all inputs are one product, the recurrent weight is laid out
once for the products of all places, gates lie where they were computed, and the gradients of the
weights are one product after the last place. Outputs and gradients are torch's, up to rounding.
Under autocast the products alone are in bfloat16: gates, memory and sums stay in float32.
benchmarks/recurrence.py times all this beside torch's.

Shapes: T places, B streams, E inputs, H hidden. Inside, places come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

# From this width on, where it is a multiple of 32, oneDNN's LSTM has wrong gradients in bfloat16 on
# CPUs with AMX. Ours takes longer than that, and two thirds of oneDNN's time in float32.
OWN_LSTM_FROM = 1024
# A larger weight does not stay in a core's cache from place to place. Then a layout of its own
# makes products in float32 faster; below that, slower.
LAID_OUT_FROM = 2**19

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_threshold_backward = torch.ops.aten.threshold_backward.grad_input

Tensors = tuple[Tensor, ...]


def is_own(cell: str, x: Tensor, hidden_size: int) -> bool:
    """Whether a layer over `x` is computed here, and not by torch: where gradients are wanted, and
    torch's are slower, or wrong."""
    if x.device.type != "cpu" or not torch.is_grad_enabled():
        return False
    if cell == "lstm":
        return hidden_size >= OWN_LSTM_FROM and torch.is_autocast_enabled("cpu")
    return cell in ("gru", "rnn")


def recur(
    function: str, x: Tensor, before: Tensors, weights: Sequence[Tensor]
) -> tuple[Tensor, Tensors]:
    """A layer with the cell of a torch `function` (lstm, gru, rnn_tanh, rnn_relu) and its four
    weights: (B, T, E) -> (B, T, H), and the memory after the last place, (B, H) each. Can be
    differentiated twice."""
    dtype = weights[0].dtype
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
    y, *after = _Recurrence.apply(function, dtype, x, *before, *weights)  # type: ignore[no-untyped-call]
    return y, tuple(after)


class _Recurrence(torch.autograd.Function):
    """A cell over all places. Its gradients are computed by hand; where they are differentiated in
    turn, by torch."""

    @staticmethod
    def forward(ctx: Any, function: str, dtype: torch.dtype, x: Tensor, *rest: Tensor) -> Tensors:
        ctx.function, ctx.dtype = function, dtype
        ctx.inputs = 1 + len(rest)
        with torch.autocast("cpu", enabled=False):
            run = _CELLS[function].run(_places_first(x, dtype), *rest)
        ctx.save_for_backward(x, *rest, *run.kept)
        return run.y.transpose(0, 1), *run.after

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *d_after: Tensor) -> tuple[Tensor | None, ...]:
        x, *rest = ctx.saved_tensors[: ctx.inputs]
        kept = ctx.saved_tensors[ctx.inputs :]
        with torch.autocast("cpu", enabled=False):
            if torch.is_grad_enabled():
                return None, None, *_by_torch(ctx.function, [x, *rest], [dy, *d_after])
            dx, *found = _CELLS[ctx.function].gradients(
                _Given(dy.transpose(0, 1), d_after, _places_first(x, ctx.dtype), kept), *rest
            )
        return None, None, dx.transpose(0, 1), *found


class _Run(NamedTuple):
    """What a cell made of its inputs."""

    y: Tensor  # its output at all places, (T, B, H)
    after: Tensors  # its memory after the last, (B, H) each
    kept: Tensors  # what its gradients are computed from, beside the inputs


class _Given(NamedTuple):
    """What gradients are computed from, beside memory and weights."""

    dy: Tensor  # the gradient of the output, (T, B, H)
    d_after: Tensors  # of the memory after the last place
    x: Tensor  # the inputs, (T, B, E)
    kept: Tensors


class _Cell(Protocol):
    def run(self, x: Tensor, *rest: Tensor) -> _Run:
        """Over (T, B, E), from the memory and with the four weights that are the `rest`."""

    def gradients(self, given: _Given, *rest: Tensor) -> Tensors:
        """Of `x` and all the rest."""


class _RNN:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu."""

    def __init__(
        self, nonlinearity: Callable[[Tensor], Tensor], backward: Callable[..., Tensor]
    ) -> None:
        self._nonlinearity = nonlinearity  # in place
        self._backward = backward

    def run(self, x: Tensor, *rest: Tensor) -> _Run:
        h, w_ih, w_hh, b_ih, b_hh = rest
        hs = h.new_empty(len(x) + 1, *h.shape)
        hs[0] = h
        _inputs_into(hs[1:], x, w_ih, b_ih + b_hh)
        read, rounds = _readable(hs, x.dtype)
        product = _Product(w_hh, x.dtype, len(h))
        for h_read, h_next, h_next_read in _places(read[:-1], hs[1:], read[1:]):
            product.add_to(h_next, h_read)
            self._nonlinearity(h_next)
            if rounds:
                h_next_read.copy_(h_next)
        return _Run(read[1:], (hs[-1].clone(),), (hs, read))

    def gradients(self, given: _Given, *rest: Tensor) -> Tensors:
        dy, d_after, x, (hs, read) = given
        _, w_ih, w_hh, *_ = rest
        product = _Product(w_hh.t(), x.dtype, dy.shape[1])
        d_gates, exact, rounds = _gradients_of_gates(hs[1:], x.dtype)
        dh = d_after[0].clone()
        for dy_t, h, d_gate, d_exact in _places(dy, hs[1:], d_gates, exact, backward=True):
            dh.add_(dy_t)
            self._backward(dh, h, grad_input=d_exact)
            if rounds:
                d_gate.copy_(d_exact)
            product.into(dh, d_gate)
        db = _of_bias(d_gates)
        dw_ih, dw_hh = _of_weight(d_gates, x), _of_weight(d_gates, read[:-1])
        return _of_inputs(d_gates, w_ih), dh, dw_ih, dw_hh, db, db


class _GRU:
    """r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh); n = tanh(W_in x + b_in + r * m), where
    m = W_hn h + b_hn; h' = n + z * (h - n)."""

    def run(self, x: Tensor, *rest: Tensor) -> _Run:
        h, w_ih, w_hh, b_ih, b_hh = rest
        size = h.shape[1]
        hs = h.new_empty(len(x) + 1, *h.shape)
        hs[0] = h
        gates = h.new_empty(len(x), len(h), 3 * size)  # r, z and m
        rz, (r, z, m) = gates[..., : 2 * size], gates.chunk(3, dim=2)
        _inputs_into(rz, x, w_ih[: 2 * size], (b_ih + b_hh)[: 2 * size])
        m.copy_(b_hh[2 * size :])
        n = torch.empty_like(hs[1:])
        _inputs_into(n, x, w_ih[2 * size :], b_ih[2 * size :])
        read, rounds = _readable(hs, x.dtype)
        product = _Product(w_hh, x.dtype, len(h))
        for h, h_next, h_read, h_next_read, gates_t, rz_t, r_t, z_t, m_t, n_t in _places(
            hs[:-1], hs[1:], read[:-1], read[1:], gates, rz, r, z, m, n
        ):
            product.add_to(gates_t, h_read)
            rz_t.sigmoid_()
            n_t.addcmul_(r_t, m_t).tanh_()
            torch.lerp(n_t, h, z_t, out=h_next)
            if rounds:
                h_next_read.copy_(h_next)
        return _Run(read[1:], (hs[-1].clone(),), (hs, read, gates, n))

    def gradients(self, given: _Given, *rest: Tensor) -> Tensors:
        dy, d_after, x, (hs, read, gates, n) = given
        _, w_ih, w_hh, *_ = rest
        size = hs.shape[2]
        product = _Product(w_hh.t(), x.dtype, dy.shape[1])
        d_gates, exact, rounds = _gradients_of_gates(gates, x.dtype)
        d_ns, exact_n, _ = _gradients_of_gates(n, x.dtype)
        rz, (r, z, m) = gates[..., : 2 * size], gates.chunk(3, dim=2)
        d_rz, (d_r, d_z, d_m) = exact[..., : 2 * size], exact.chunk(3, dim=2)
        dh = d_after[0].clone()
        for (
            dy_t, h, rz_t, r_t, z_t, m_t, n_t,
            d_gate, d_exact, d_rz_t, d_r_t, d_z_t, d_m_t, d_n, d_n_exact,
        ) in _places(
            dy, hs[:-1], rz, r, z, m, n,
            d_gates, exact, d_rz, d_r, d_z, d_m, d_ns, exact_n,
            backward=True,
        ):  # fmt: skip
            dh.add_(dy_t)
            torch.sub(h, n_t, out=d_z_t).mul_(dh)
            torch.addcmul(dh, dh, z_t, value=-1, out=d_n_exact)
            _tanh_backward(d_n_exact, n_t, grad_input=d_n_exact)
            torch.mul(d_n_exact, m_t, out=d_r_t)
            _sigmoid_backward(d_rz_t, rz_t, grad_input=d_rz_t)
            torch.mul(d_n_exact, r_t, out=d_m_t)
            if rounds:
                d_gate.copy_(d_exact)
                d_n.copy_(d_n_exact)
            product.add_to(dh.mul_(z_t), d_gate)
        db_hh = _of_bias(d_gates)
        db_ih = torch.cat([db_hh[: 2 * size], _of_bias(d_ns)])
        dw_hh = _of_weight(d_gates, read[:-1])
        d_rz = d_gates[..., : 2 * size]
        dw_ih = torch.cat([_of_weight(d_rz, x), _of_weight(d_ns, x)])
        dx = _of_inputs(d_rz, w_ih[: 2 * size]) + _of_inputs(d_ns, w_ih[2 * size :])
        return dx, dh, dw_ih, dw_hh, db_ih, db_hh


class _LSTM:
    """i, f, o = sigmoid(W_ih x + b_ih + W_hh h + b_hh); g = tanh(the same of its own);
    c' = f * c + i * g; h' = o * tanh(c')."""

    def run(self, x: Tensor, *rest: Tensor) -> _Run:
        h, c, w_ih, w_hh, b_ih, b_hh = rest
        hs, cs = (h.new_empty(len(x) + 1, *h.shape) for _ in range(2))
        hs[0], cs[0] = h, c
        gates = h.new_empty(len(x), len(h), 4 * h.shape[1])
        _inputs_into(gates, x, w_ih, b_ih + b_hh)
        squashed = torch.empty_like(cs[1:])  # tanh(c')
        i, f, g, o = gates.chunk(4, dim=2)
        read, rounds = _readable(hs, x.dtype)
        product = _Product(w_hh, x.dtype, len(h))
        for (
            c, c_next, s_t, h_next, h_read, h_next_read, gates_t, i_f, i_t, f_t, g_t, o_t,
        ) in _places(
            cs[:-1], cs[1:], squashed, hs[1:], read[:-1], read[1:], gates,
            gates[..., : 2 * h.shape[1]], i, f, g, o,
        ):  # fmt: skip
            product.add_to(gates_t, h_read)
            i_f.sigmoid_()
            g_t.tanh_()
            o_t.sigmoid_()
            torch.mul(f_t, c, out=c_next).addcmul_(i_t, g_t)
            torch.tanh(c_next, out=s_t)
            torch.mul(o_t, s_t, out=h_next)
            if rounds:
                h_next_read.copy_(h_next)
        return _Run(read[1:], (hs[-1].clone(), cs[-1].clone()), (read, cs, squashed, gates))

    def gradients(self, given: _Given, *rest: Tensor) -> Tensors:
        dy, d_after, x, (read, cs, squashed, gates) = given
        _, _, w_ih, w_hh, *_ = rest
        both = 2 * cs.shape[2]
        product = _Product(w_hh.t(), x.dtype, dy.shape[1])
        d_gates, exact, rounds = _gradients_of_gates(gates, x.dtype)
        dh, dc = (part.clone() for part in d_after)
        d_c = torch.empty_like(dc)
        for (
            dy_t, c, s_t, i_f, i_t, f_t, g_t, o_t, d_gate, d_exact, d_i_f, d_i, d_f, d_g, d_o,
        ) in _places(
            dy, cs[:-1], squashed, gates[..., :both], *gates.chunk(4, dim=2),
            d_gates, exact, exact[..., :both], *exact.chunk(4, dim=2),
            backward=True,
        ):  # fmt: skip
            dh.add_(dy_t)
            torch.mul(dh, s_t, out=d_o)
            _sigmoid_backward(d_o, o_t, grad_input=d_o)
            torch.mul(dh, o_t, out=d_c)
            dc.add_(_tanh_backward(d_c, s_t, grad_input=d_c))
            torch.mul(dc, g_t, out=d_i)
            torch.mul(dc, c, out=d_f)
            _sigmoid_backward(d_i_f, i_f, grad_input=d_i_f)
            torch.mul(dc, i_t, out=d_g)
            _tanh_backward(d_g, g_t, grad_input=d_g)
            dc.mul_(f_t)
            if rounds:
                d_gate.copy_(d_exact)
            product.into(dh, d_gate)
        db = _of_bias(d_gates)
        dw_ih, dw_hh = _of_weight(d_gates, x), _of_weight(d_gates, read[:-1])
        return _of_inputs(d_gates, w_ih), dh, dc, dw_ih, dw_hh, db, db


def _relu_backward(gradient: Tensor, output: Tensor, *, grad_input: Tensor) -> Tensor:
    _threshold_backward(gradient, output, 0, grad_input=grad_input)
    return grad_input


_CELLS: dict[str, _Cell] = {
    "lstm": _LSTM(),
    "gru": _GRU(),
    "rnn_tanh": _RNN(torch.tanh_, _tanh_backward),
    "rnn_relu": _RNN(torch.relu_, _relu_backward),
}


class _Product:
    """`x @ weight.T` for one x of `rows` rows after the other, computed in `dtype`. Out of what its
    weight (N, K) is laid out as once for all of them; or, where torch knows no such layout, not."""

    def __init__(self, weight: Tensor, dtype: torch.dtype, rows: int) -> None:
        self._by_layout: Callable[[Tensor], Tensor] | None = None
        rounds = dtype != weight.dtype
        weight = weight.to(dtype)
        if (rounds or weight.numel() >= LAID_OUT_FROM) and _has_layout(dtype):
            self._by_layout = _laid_out(weight, rows)
        elif rounds:
            self._by_layout = lambda x: x @ weight.t()
        else:
            self._transposed = weight.t().contiguous()

    def add_to(self, out: Tensor, x: Tensor) -> None:
        if self._by_layout is None:
            out.addmm_(x, self._transposed)
        else:
            out.add_(self._by_layout(x))

    def into(self, out: Tensor, x: Tensor) -> None:
        if self._by_layout is None:
            torch.mm(x, self._transposed, out=out)
        else:
            out.copy_(self._by_layout(x))


def _laid_out(weight: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    """Products with a weight in the order that oneDNN (bfloat16) or MKL (float32) reads it in: what
    torch's compiler uses for a frozen weight."""
    if weight.dtype == torch.bfloat16:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        linear = torch.ops.mkldnn._linear_pointwise
        return lambda x: linear(x, packed, None, "none", [], "")
    weight = weight.contiguous()
    packed = torch.ops.mkl._mkl_reorder_linear_weight(weight, rows)
    linear = torch.ops.mkl._mkl_linear
    return lambda x: linear(x, packed, weight, None, rows)


@lru_cache
def _has_layout(dtype: torch.dtype) -> bool:
    """Tried, since it depends on how torch was built."""
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    zeros = torch.zeros(8, 8, dtype=dtype)
    try:
        return bool((_laid_out(zeros, 8)(zeros) == 0).all())
    except (AttributeError, NotImplementedError, RuntimeError):
        return False


def _places_first(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.transpose(0, 1).to(dtype).contiguous()


def _places(*tensors: Tensor, backward: bool = False) -> Iterator[Tensors]:
    """Place by place, what each tensor holds there. A little faster than indexing them."""
    steps = zip(*(tensor.unbind() for tensor in tensors), strict=True)
    return reversed(list(steps)) if backward else steps


def _inputs_into(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> None:
    """What all inputs (T, B, E) add to gates: `out` (T, B, N), not rounded after the product."""
    flat, out = x.flatten(0, 1), out.flatten(0, 1)
    if x.dtype == weight.dtype:
        torch.addmm(bias, flat, weight.t(), out=out)
    else:
        torch.add(torch.mm(flat, weight.to(x.dtype).t()), bias, out=out)


def _readable(hs: Tensor, dtype: torch.dtype) -> tuple[Tensor, bool]:
    """The memory as products read it, the first place's rounded already; and whether that is
    another tensor, which the other places are to be rounded into."""
    if hs.dtype == dtype:
        return hs, False
    read = torch.empty_like(hs, dtype=dtype)
    read[0] = hs[0]
    return read, True


def _gradients_of_gates(gates: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, bool]:
    """Room for those of all places, as products read them; for those of each place before they are
    rounded, which is the same or one room for all places; and whether they are to be."""
    kept = torch.empty_like(gates, dtype=dtype)
    if gates.dtype == dtype:
        return kept, kept, False
    return kept, torch.empty_like(gates[:1]).expand_as(gates), True


def _of_inputs(d_gates: Tensor, w_ih: Tensor) -> Tensor:
    return d_gates @ w_ih.to(d_gates.dtype)


def _of_weight(d_gates: Tensor, read: Tensor) -> Tensor:
    """(T, B, N) and the (T, B, K) that the weight was multiplied with -> (N, K)."""
    return d_gates.flatten(0, 1).t() @ read.flatten(0, 1)


def _of_bias(d_gates: Tensor) -> Tensor:
    """Their sum over all places and streams; a product is the fastest way to it."""
    flat = d_gates.flatten(0, 1)
    return (flat.new_ones(1, len(flat)) @ flat)[0]


def _by_torch(function: str, inputs: list[Tensor], d_outputs: list[Tensor]) -> list[Tensor | None]:
    """The gradients of the inputs as functions of all these, that can be differentiated."""
    x, *rest = inputs
    memory, weights = rest[:-4], rest[-4:]
    cell = getattr(torch, f"{function}_cell")
    with torch.enable_grad():
        y = []
        for x_t in x.unbind(1):
            after = cell(x_t, memory if function == "lstm" else memory[0], *weights)
            memory = list(after) if function == "lstm" else [after]
            y.append(memory[0])
        wanted = [part for part in inputs if part.requires_grad]
        outputs = [torch.stack(y, dim=1), *memory]
        found = torch.autograd.grad(outputs, wanted, d_outputs, create_graph=True)
    left = iter(found)
    return [next(left) if part.requires_grad else None for part in inputs]
