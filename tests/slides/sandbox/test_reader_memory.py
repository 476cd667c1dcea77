"""What a reader and its parent take from the kernel, and give back."""

import sys
from pathlib import Path

import pytest

from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan

PLAN = ReadingPlan()


def faults_of(reader: SlideReader) -> int:
    """Pages that the process has asked the kernel for so far."""
    return int(Path(f"/proc/{reader.pid}/stat").read_text().rsplit(")", 1)[1].split()[7])


@pytest.mark.skipif(sys.platform != "linux", reason="counts by /proc")
def test_a_tile_is_read_without_asking_the_kernel_for_memory(slide):
    with SlideReader() as reader:
        reader.open(slide)
        rows = list(range(len(reader.survey(PLAN).coords)))
        list(reader.tiles())
        before = faults_of(reader)
        reader.again(rows)
        ring = len(rows) * PLAN.tile_px**2 * 3 // 4096
        assert faults_of(reader) - before < 1.5 * ring


def test_descriptors_are_given_back(slide):
    def used() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = used()
    for _ in range(3):
        with SlideReader() as reader:
            reader.open(slide)
            reader.survey(PLAN)
            list(reader.tiles(16))
    del reader  # and with it the survey, whose thumbnail lies in shared memory
    assert used() == before
