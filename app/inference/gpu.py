"""Ask the NVIDIA driver what GPUs there are, without any CUDA package: libcuda by ctypes.

CUDA_VISIBLE_DEVICES is obeyed, because it is the driver that answers.
"""

import ctypes
from dataclasses import dataclass

CUDA_VERSION_MIN = (13, 0)
CODE_FOR = ((7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0))
"""Compute capabilities that onnxruntime-gpu holds machine code for. It has no PTX, from which a driver could make code
for others; code for X.Y also runs on X.Z where Z is larger. The list is of version 1.31.1."""
REQUIREMENT = "The GPU build needs NVIDIA driver 580 or newer and a GPU of compute capability 7.5, 8.x, 9.0 or 12.x"

NO_DRIVER = (
    "no GPU is visible to this process: the NVIDIA driver (libcuda.so.1) is missing. In a container: install the "
    "NVIDIA container toolkit on the host and start the container with its GPUs (--gpus all)"
)
NO_GPU = (
    "no GPU is visible to this process: the NVIDIA driver shows none (error 100). Check CUDA_VISIBLE_DEVICES and, in a "
    "container, that it was started with GPUs (--gpus all) and not before a `systemctl daemon-reload`"
)

_NO_DEVICE = 100
_MEANINGS = {
    802: "the GPUs' fabric is not ready (error 802). On HGX and DGX machines start nvidia-fabricmanager, in the "
    "version of the driver",
    803: "its library and its kernel module are of different versions (error 803). Reboot after an update of the "
    "driver",
    999: "unknown error (999). After suspend, or where /dev/nvidia-uvm is missing, run `nvidia-modprobe -u -c 0`; if "
    "that does not help, reboot",
}
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver names it."""

    name: str
    compute_capability: tuple[int, int]


@dataclass(frozen=True)
class GpuProbe:
    """What the driver says.

    ``driver_cuda``: highest CUDA version it can serve; ``problem``: how it fails; ``absence``: why there are no
    ``gpus`` where it does not.
    """

    gpus: tuple[Gpu, ...] = ()
    driver_cuda: tuple[int, int] | None = None
    problem: str | None = None
    absence: str = NO_GPU

    def shortfall(self) -> str | None:
        """What keeps CUDA 13 from running here, in words; None if nothing is known to."""
        if self.problem is not None:
            return self.problem
        if not self.gpus:
            return self.absence
        if self.driver_cuda is not None and self.driver_cuda < CUDA_VERSION_MIN:
            return f"the NVIDIA driver serves CUDA up to {self.driver_cuda[0]}.{self.driver_cuda[1]} only"
        first = self.gpus[0]
        major, minor = first.compute_capability
        if not any(major == code[0] and minor >= code[1] for code in CODE_FOR):
            return f"{first.name} has compute capability {major}.{minor}, for which onnxruntime has no code"
        return None


def probe_gpus() -> GpuProbe:
    """Ask the driver. No driver library or no device gives no GPUs; a driver that fails gives ``problem``."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return GpuProbe(absence=NO_DRIVER)
    version, count = ctypes.c_int(), ctypes.c_int()
    try:
        _call(cuda.cuInit(0))
        _call(cuda.cuDriverGetVersion(ctypes.byref(version)))
        _call(cuda.cuDeviceGetCount(ctypes.byref(count)))
        gpus = tuple(_describe(cuda, index) for index in range(count.value))
    except _DriverError as error:
        if error.status == _NO_DEVICE:
            return GpuProbe()
        return GpuProbe(problem=f"the NVIDIA driver fails: {_MEANINGS.get(error.status, f'error {error.status}')}")
    return GpuProbe(gpus, (version.value // 1000, version.value % 1000 // 10))


def _describe(cuda: ctypes.CDLL, index: int) -> Gpu:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(128)
    _call(cuda.cuDeviceGet(ctypes.byref(device), index))
    _call(cuda.cuDeviceGetName(name, len(name), device))
    _call(cuda.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device))
    _call(cuda.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device))
    return Gpu(name.value.decode("utf-8", "replace"), (major.value, minor.value))


class _DriverError(Exception):
    """A call to the driver failed with ``status``, a CUresult."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _call(status: int) -> None:
    if status != 0:
        raise _DriverError(status)
