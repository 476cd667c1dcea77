"""`make fuzz`: thousands of damaged and odd slides and of requests against the real service; non-zero on a finding."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from app.access.keys import KeyStore
from tests.fuzz.attack import Report, attack_with_disguises, attack_with_requests, attack_with_slides
from tests.service import ROOT, Service
from tests.tissue import tissue_slide

BYTES_MAX = 6_000_000
CHUNK = 100


def main() -> int:
    """Run and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--slides", type=int, default=2000)
    options.add_argument("--disguises", type=int, default=140)
    options.add_argument("--requests", type=int, default=5000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--folder", type=Path, default=ROOT.parent / "shared" / "data" / "slides")
    given = options.parse_args()
    report, began = Report(), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        slides = [tissue_slide(scratch / "painted.svs")]
        real = given.folder.glob("*.[st][vi]*") if given.folder.is_dir() else []
        slides += [path for path in sorted(real) if path.stat().st_size <= BYTES_MAX]
        print(f"{len(slides)} slides to damage: {', '.join(path.name for path in slides)}")
        token = KeyStore(scratch / "data").create("fuzz", "fuzz", ("submit", "read"))
        key = {"Authorization": f"Bearer {token}"}
        service = Service(scratch / "data", queue_max=10_000).start()
        try:
            job_id = service.post(slides[0], key).json()["id"]
            for start in range(given.seed, given.seed + given.slides, CHUNK):
                seeds = range(start, min(start + CHUNK, given.seed + given.slides))
                attack_with_slides(service, key, slides, seeds, scratch, report)
                done, took_s = seeds.stop - given.seed, time.monotonic() - began
                print(f"{done} slides, {took_s:.0f} s, {len(report.findings)} findings", flush=True)
            odd = range(given.seed, given.seed + given.disguises)
            attack_with_disguises(service, key, odd, scratch, report)
            print(f"{given.disguises} odd slides and their twins, {len(report.findings)} findings", flush=True)
            attack_with_requests(service, key, given.seed, given.requests, job_id, slides[0].read_bytes(), report)
        finally:
            service.stop()
    for (sent, got), count in sorted(report.counts.items()):
        print(f"{count:6d}  {sent:24s} {got}")
    print("\n".join(report.findings) or "no findings")
    return bool(report.findings) or not report.counts


if __name__ == "__main__":
    sys.exit(main())
