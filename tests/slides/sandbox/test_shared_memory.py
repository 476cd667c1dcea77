import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.slides.sandbox.shared_memory import Part, SharedMemory


@pytest.fixture(params=["memfd", "file"])
def memory(request, monkeypatch):
    if request.param == "file":
        monkeypatch.delattr(os, "memfd_create")
    memory = SharedMemory.create(5000)
    yield memory
    memory.close()


def test_both_sides_see_the_same_bytes(memory):
    part = Part(64, (3, 4), np.int64)
    mine = memory.array(part)
    assert not mine.any()
    code = (
        "import os, sys, numpy as np; from app.slides.sandbox.shared_memory import *\n"
        "fd = int(sys.argv[1]); memory = SharedMemory(fd, os.fstat(fd).st_size)\n"
        "memory.array(Part(64, (3, 4), np.int64))[:] = np.arange(12).reshape(3, 4)"
    )
    subprocess.run([sys.executable, "-c", code, str(memory.fd)], pass_fds=(memory.fd,), check=True)
    assert mine.tolist() == np.arange(12).reshape(3, 4).tolist()


def test_arrays_outlive_the_descriptor_and_close_is_idempotent(memory):
    array = memory.array(Part(0, (10,), np.uint8))
    memory.close()
    memory.close()
    array[:] = 7
    assert array.sum() == 70


def test_what_does_not_fit_is_refused(memory):
    with pytest.raises(ValueError, match="does not fit"):
        memory.array(Part(0, (5100,), np.uint8))
    with pytest.raises(ValueError, match="does not fit"):
        memory.array(Part(-64, (10,), np.uint8))


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux has sealed memory")
def test_the_other_side_cannot_shrink_it():
    memory = SharedMemory.create(8192)
    with pytest.raises(PermissionError):
        os.ftruncate(memory.fd, 0)
    memory.close()


def test_nothing_has_a_name(memory):
    target = str(Path(f"/proc/self/fd/{memory.fd}").readlink())
    assert "(deleted)" in target
