import subprocess
from pathlib import Path

import pytest

from app.inference.processor import int8_is_exact, processor_flags

AVX2 = ("sse4_2", "avx2", "fma")


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [
        ("x86_64", AVX2, False),
        ("x86_64", (*AVX2, "avx512f", "avx512bw"), False),
        ("x86_64", (*AVX2, "avx_vnni"), True),
        ("AMD64", (*AVX2, "avx512f", "avx512_vnni"), True),
        ("x86_64", (), False),
        ("aarch64", (), True),
    ],
)
def test_int8_is_exact_where_sums_are_kept_whole(machine: str, flags: tuple[str, ...], exact: bool) -> None:
    assert int8_is_exact(machine, flags) is exact


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux tells its processor's flags in /proc/cpuinfo")
def test_this_machines_flags_are_read_whole() -> None:
    listed = subprocess.run(["cat", "/proc/cpuinfo"], capture_output=True, text=True, check=True).stdout
    flags = processor_flags()
    assert all(f" {flag}" in listed for flag in flags)
    if " sse2 " in listed:
        assert "sse2" in flags
