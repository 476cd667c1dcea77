"""One ONNX graph, ready to run: the seam between our code and onnxruntime."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from app.errors import InferenceFailedError, ProviderUnavailableError
from app.inference.providers import Provider, assert_provider
from app.inference.runtime import LOG_ERRORS, LOG_FATAL, onnxruntime

log = structlog.stdlib.get_logger("xmag.inference")
Array = NDArray[Any]
_NO_MEMORY = re.compile(
    r"out of memory|bad_alloc|Failed to allocate memory|Available memory of \d+ is smaller|ALLOC(ATION)?_FAILED"
)
"""How onnxruntime's arenas, CUDA, cuDNN, cuBLAS and C++ say that there is no memory."""
_LIBRARY = re.compile(r"\b(CU[A-Z_]+ failure -?\d+: [^;]*[^; ])")
_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : ([A-Z_]+)")


class DeviceMemoryError(InferenceFailedError):
    """The device has no memory for a batch of this size: a smaller one may fit."""


@dataclass(frozen=True)
class TensorSpec:
    """Type and shape of an input or output; ``None`` stands for a free axis."""

    dtype: str
    shape: tuple[int | None, ...]


class Graph(Protocol):
    """What an embedder or a head needs of a model file."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """Name → specification."""

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """Name → specification."""

    @abstractmethod
    def run(self, outputs: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        """The named outputs, in that order. InferenceFailedError if the graph does not run; for want of memory,
        DeviceMemoryError."""


class OnnxGraph:
    """A ``Graph`` that onnxruntime runs. Safe to call from several threads."""

    def __init__(self, content: bytes, label: str, provider: Provider, threads: int) -> None:
        """``content``: the file's verified bytes, from which a graph cannot pull in other files; ``label``: its name.

        Raises InferenceFailedError (not a graph), ProviderUnavailableError (the provider does not take it).
        """
        self._label = label
        self._run_options = onnxruntime.RunOptions()
        self._run_options.log_severity_level = LOG_FATAL  # what fails is raised: onnxruntime would print it as well
        try:
            self._session = onnxruntime.InferenceSession(
                content,
                sess_options=_options(threads),
                providers=[(provider.name, dict(provider.options))],
                enable_fallback=0,  # else onnxruntime prints a line and goes on with the CPU
            )
        except Exception as error:  # onnxruntime's errors share no other base
            log.error("graph.load_failed", graph=label, reason=str(error))
            if provider.is_cuda:
                raise ProviderUnavailableError(f"CUDA does not start with {label}: {_words(error)}.") from error
            raise InferenceFailedError(f"onnxruntime cannot load {label}: {_words(error)}.") from error
        assert_provider(provider, self._session.get_providers())
        self._inputs = {part.name: _spec(part) for part in self._session.get_inputs()}
        self._outputs = {part.name: _spec(part) for part in self._session.get_outputs()}

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """Name → specification."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """Name → specification."""
        return self._outputs

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        """The named outputs, in that order. As ``Graph.run``."""
        try:
            found = self._session.run(list(outputs), dict(feeds), self._run_options)
        except Exception as error:  # onnxruntime's errors share no other base
            if _NO_MEMORY.search(str(error)):
                raise DeviceMemoryError(f"{self._label} failed: the device is out of memory.") from error
            log.error("graph.run_failed", graph=self._label, reason=str(error))
            raise InferenceFailedError(f"{self._label} failed: {_words(error)}.") from error
        return [np.asarray(array) for array in found]


def require_tensor(specs: Mapping[str, TensorSpec], name: str, wanted: TensorSpec, label: str) -> None:
    """InferenceFailedError unless ``specs`` holds ``name`` with the wanted type and shape (free axes fit anything)."""
    spec = specs.get(name)
    fits = (
        spec is not None
        and spec.dtype == wanted.dtype
        and len(spec.shape) == len(wanted.shape)
        and all(a is None or b is None or a == b for a, b in zip(spec.shape, wanted.shape, strict=True))
    )
    if not fits:
        raise InferenceFailedError(f"{label} breaks its contract: {name} must be {wanted}, it is {spec}.")


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_ERRORS
    # At the second run of each shape a pattern takes one block for all tensors, beside the memory of the first run.
    # That is nearly twice the memory, and more with each new size of a bag. Without a pattern a run is as fast.
    options.enable_mem_pattern = False
    # Waiting threads sleep instead of spinning: the processes that decode tiles need the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _spec(part: Any) -> TensorSpec:
    return TensorSpec(part.type, tuple(size if isinstance(size, int) else None for size in part.shape))


def _words(error: Exception) -> str:
    """What a client may read of it. The whole, with host names, paths and C++ expressions, is for the log alone."""
    text = str(error)
    if found := _LIBRARY.search(text):
        return found[1]
    if _NO_MEMORY.search(text):
        return "out of memory"
    found = _CODE.search(text)
    return found[1].lower().replace("_", " ") if found else type(error).__name__
