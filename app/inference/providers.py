"""Which execution provider runs the model. What was asked for is what runs, or an error says why not."""

from dataclasses import dataclass
from typing import Literal

import structlog

from app.errors import ProviderUnavailableError, SetupError
from app.inference.gpu import REQUIREMENT, GpuProbe, probe_gpus

log = structlog.stdlib.get_logger("xmag.inference")
Device = Literal["auto", "cuda", "cpu"]
ProviderName = Literal["CUDAExecutionProvider", "CPUExecutionProvider"]
CUDA: ProviderName = "CUDAExecutionProvider"
CPU: ProviderName = "CPUExecutionProvider"
CPU_BUILD = "the installed onnxruntime is the CPU build. Install the extra `gpu` in place of `cpu` to use the GPU"


@dataclass(frozen=True)
class Provider:
    """The chosen provider and the options it is created with."""

    name: ProviderName
    options: tuple[tuple[str, str], ...] = ()

    @property
    def is_cuda(self) -> bool:
        """Whether it computes on a GPU."""
        return self.name == CUDA


# TF32 would round fp32 convolutions to 10 bits and part the GPU's numbers from the CPU's. The heuristic search
# spares a costly one for every batch size at each start. The arena grows by the requested size: by default it doubles.
_CUDA_PROVIDER = Provider(
    CUDA,
    (("use_tf32", "0"), ("cudnn_conv_algo_search", "HEURISTIC"), ("arena_extend_strategy", "kSameAsRequested")),
)
CPU_PROVIDER = Provider(CPU)


def choose_provider(device: str, available: list[str], probe: GpuProbe | None = None) -> Provider:
    """The provider for ``device``; ``available`` are the providers that the installed onnxruntime was built with.

    ``auto`` is CUDA where onnxruntime has it and the driver shows a GPU, else CPU. A GPU that the CUDA build cannot use
    is an error for ``auto`` as well. A GPU that the CPU build leaves idle is logged, and so is a GPU build without one.
    Raises ProviderUnavailableError, and SetupError for any other word than auto, cuda and cpu.
    """
    if device == "cpu":
        return CPU_PROVIDER
    if device not in ("auto", "cuda"):
        raise SetupError(f"There is no device {device!r}: choose auto, cuda or cpu.")
    seen = probe if probe is not None else probe_gpus()
    if CUDA not in available:
        if device == "auto":
            if seen.gpus:
                log.warning("gpu.unused", gpu=seen.gpus[0].name, reason=CPU_BUILD)
            return CPU_PROVIDER
        raise ProviderUnavailableError(f"CUDA was asked for, but {CPU_BUILD}; {REQUIREMENT}.")
    if device == "auto" and not seen.gpus and seen.problem is None:
        log.warning("gpu.absent", reason=seen.absence)
        return CPU_PROVIDER
    shortfall = seen.shortfall()
    if shortfall is not None:
        raise ProviderUnavailableError(f"CUDA cannot run here: {shortfall}. {REQUIREMENT}; or choose the device cpu.")
    return _CUDA_PROVIDER


def assert_provider(chosen: Provider, active: list[str]) -> None:
    """``active`` is the session's ``get_providers()``. ProviderUnavailableError if onnxruntime fell back."""
    if not active or active[0] != chosen.name:
        raise ProviderUnavailableError(
            f"{chosen.name} was chosen, but onnxruntime fell back to {active[0] if active else 'nothing'}: "
            f"its libraries (CUDA 13, cuDNN 9) could not be loaded. {REQUIREMENT}; or choose the device cpu."
        )
