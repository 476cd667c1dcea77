"""`make soak`: hundreds of small slides, and nothing that grows: memory, files, threads, Redis keys, shared memory."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.load.measure import grown, snapshot
from tests.service import Service
from tests.tissue import tissue_slide

OPEN_MAX, SAMPLES = 4, 40


def main() -> int:
    """Run and print the table; non-zero at growth, at a job that fails, and without jobs."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--slides", type=int, default=320)
    given = options.parse_args()
    samples, states, began = list[dict[str, float]](), list[str](), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        slide = tissue_slide(Path(name) / "small.svs")
        service = Service(Path(name) / "data").start()
        try:
            open_jobs = list[str]()
            for number in range(given.slides):
                open_jobs.append(service.submit(slide))
                if len(open_jobs) == OPEN_MAX or number == given.slides - 1:
                    states += [str(service.wait(job_id, timeout_s=120)["state"]) for job_id in open_jobs]
                    open_jobs.clear()
                    if len(states) * SAMPLES // given.slides > len(samples):  # at rest, so that samples compare
                        samples.append(snapshot(service))
        finally:
            service.stop()
    print(f"{len(states)} slides, {states.count('succeeded')} succeeded, {time.monotonic() - began:.0f} s")
    print(f"{'':22s}{'first':>10s}{'after 1/4':>10s}{'last':>10s}  grown")
    findings = 0
    for key in samples[0] if samples else ():
        values = [sample[key] for sample in samples]
        growth = grown(key, values)
        findings += growth is not None
        said = "no" if growth is None else f"by {growth:.1f}"
        print(f"{key:22s}{values[0]:10.1f}{values[len(values) // 4]:10.1f}{values[-1]:10.1f}  {said}")
    return int(findings > 0 or len(samples) < 8 or set(states) != {"succeeded"})


if __name__ == "__main__":
    sys.exit(main())
