"""CUDA graphs: what a GPU does again and again, recorded once and launched as one.

Launching a kernel takes Python some microseconds, longer than a small network computes. Elsewhere
than on CUDA all is called as it is. https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from chargen.errors import DeviceError
from chargen.runtime.memory import is_out_of_memory

# cuBLAS, cuDNN and autograd make themselves ready on each stream, which cannot be recorded: so many
# calls before the recording are on the stream that is recorded.
WARM_UP = 3
# torch has no public name for it; a torch without it records nothing, which gives the same.
_clear_cublas_workspaces: Callable[[], None] | None = getattr(
    torch._C, "_cuda_clearCublasWorkspaces", None
)
SWITCH = "CHARGEN_CUDA_GRAPHS"  # 0 in the environment: record nothing


class GraphedStep:
    """Work without arguments or results, on tensors that are changed in place. On CUDA it is
    recorded at its `after`th call, and replayed from then on, which gives the same."""

    def __init__(
        self, work: Callable[[], None], device: torch.device, after: int = WARM_UP
    ) -> None:
        self._work = work
        self._device = device
        self._is_recordable = (
            device.type == "cuda"
            and os.environ.get(SWITCH) != "0"
            and _clear_cublas_workspaces is not None
        )
        self._left = max(after, WARM_UP)
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def is_captured(self) -> bool:
        return self._graph is not None

    @property
    def is_settled(self) -> bool:
        """Whether it will go on as it is: recorded, or where nothing is."""
        return self._graph is not None or not self._is_recordable

    def __call__(self) -> None:
        """Raises DeviceError where the work cannot be recorded."""
        if self._graph is not None:
            self._graph.replay()
        elif not self._is_recordable or self._left > WARM_UP:
            self._left -= 1
            self._work()
        elif self._left:
            self._left -= 1
            self._warm_up()
        else:
            self._graph = self._recorded()
            self._graph.replay()

    def _warm_up(self) -> None:
        self._stream = self._stream or torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            self._work()
        current.wait_stream(self._stream)

    def _recorded(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream(self._device)
        # cuBLAS's workspace must lie in this graph's own memory: that of a stream is freed with the
        # next graph that was recorded on it (pytorch issue 193402).
        assert _clear_cublas_workspaces is not None
        _clear_cublas_workspaces()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._work()  # only recorded
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise DeviceError(
                f"a CUDA graph could not be recorded: {str(error).splitlines()[0]}",
                hint=f"set {SWITCH}=0 in the environment to do without",
            ) from error
        finally:
            torch.cuda.set_stream(current)  # torch leaves the other one where recording fails
            _clear_cublas_workspaces()
        return graph
