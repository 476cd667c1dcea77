"""What the processor can do exactly.

x86-64 without VNNI multiplies u8 by s8 in pairs whose sum is cut off at 16 bits (VPMADDUBSW). An int8 graph whose
weights use all eight bits then gives other embeddings than where it was measured. It fails the golden tile. VNNI and
ARM add in 32 bits. Sources: Intel's Software Developer's Manual, vol. 2, PMADDUBSW and VPDPBUSD; onnxruntime's
documentation, "Quantize ONNX models", on U8S8 and saturation.
"""

import platform
from collections.abc import Collection
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_X86 = ("x86_64", "amd64", "i386", "i686")
_VNNI = ("avx512_vnni", "avx_vnni")


def processor_flags() -> frozenset[str]:
    """Names of the instruction sets that Linux lists; empty where it cannot be asked."""
    if not _CPUINFO.is_file():
        return frozenset()
    lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def int8_is_exact(machine: str | None = None, flags: Collection[str] | None = None) -> bool:
    """Whether int8 graphs compute here what they were measured to compute; unknown counts as no.

    ``machine`` as platform.machine() and ``flags`` as processor_flags() give it: by default, this one's.
    """
    if (machine or platform.machine()).lower() not in _X86:
        return True
    known = processor_flags() if flags is None else flags
    return any(name in known for name in _VNNI)
