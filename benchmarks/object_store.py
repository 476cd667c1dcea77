"""How to have a slide that lies in an object store: whole by one GET, whole in parts, or only what an analysis reads.

Usage: python benchmarks/object_store.py SLIDE [--rounds 5] [--delay_ms 20] [--line_mb_s 30]
The store is moto's server (a development requirement) on this machine, reached directly, and over a line on which each
request takes ``delay_ms`` and each connection carries ``line_mb_s``: a store far away, with nobody else on the line.
Whole slides end in a file and with their sha256, all ways in turn, medians; of a part of a slide there is no sha256.
moto reads the whole object for every part that is asked of it, which a real store does not: parts would do better.
Ratios are to one GET that is hashed on its way, over the same line.
"""

import asyncio
import contextlib
import hashlib
import math
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import boto3
import obstore
from boto3.s3.transfer import TransferConfig
from machine import MODEL, describe, in_turn, options
from obstore.store import S3Store

from app.analysis.reading_plan import reading_plan
from app.inference.manifest import read_manifest
from app.objects.store import PART_BYTES, PARTS_AHEAD, ObjectState, ObjectStore
from app.settings import Settings
from app.slides.formats.compressed.tiled_image import find_tiled_image
from app.slides.formats.levels.level import choose_level
from app.slides.formats.opening import open_slide
from app.system.logs import configure_logs
from app.system.object_address import ObjectAddress

BUCKET, KEY, REGION = "bench", "slide", "us-east-1"
GAP_BYTES = 2**20
"""Ranges closer than this are asked for as one, as the library's own get_ranges does."""
CHUNK_BYTES = 2**20
SLEEP_S = 0.02
SERVICE = f"{PARTS_AHEAD} parts of {PART_BYTES >> 20} MiB at a time (the service)"
REFERENCE = "one GET, hashed on its way"
PLAN = reading_plan(read_manifest(MODEL)[0])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


@contextmanager
def server() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        process.kill()
        process.wait()


@contextmanager
def line(there: int, delay_s: float, bytes_s: float) -> Iterator[int]:
    """A port that leads to ``there`` over a line of that delay and, for each connection, speed."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=carry, args=(port, there, delay_s, bytes_s))
    process.start()
    try:
        wait_for(port)
        yield port
    finally:
        process.kill()
        process.join()


def carry(port: int, there: int, delay_s: float, bytes_s: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", there)
        with contextlib.suppress(ConnectionError):  # either end is done
            await asyncio.gather(pump(reader, far_writer, delay_s=delay_s), pump(far_reader, writer, bytes_s=bytes_s))

    async def serve() -> None:
        await (await asyncio.start_server(connected, "127.0.0.1", port)).serve_forever()

    asyncio.run(serve())


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float = 0.0, bytes_s: float = math.inf
) -> None:
    due = 0.0
    while data := await reader.read(65536):
        due = max(due, time.perf_counter() - SLEEP_S) + len(data) / bytes_s  # sleeping too long is made up for
        await asyncio.sleep(delay_s + max(0.0, due - time.perf_counter()))
        writer.write(data)
        await writer.drain()
    writer.close()


def needed(path: Path) -> list[tuple[int, int]]:
    """[start, end) of all but the tiles of levels finer than the one that an analysis reads."""
    with open_slide(path) as slide:
        level = choose_level(slide.info, PLAN.tile_mpp, PLAN.level_tolerance)
        finer = [find_tiled_image(slide.entry, slide.info, other, slide.colours) for other in range(level)]
    tiles = sorted(
        (int(offset), int(offset) + int(count))
        for image in finer
        for offset, count in zip(image.offsets.ravel(), image.byte_counts.ravel(), strict=True)
    )
    ends = [(0, 0), *tiles, (path.stat().st_size,) * 2]
    gaps = [(end, start) for (_, end), (start, _) in pairwise(ends) if start > end]
    joined = [gaps[0]]
    for start, end in gaps[1:]:
        if start - joined[-1][1] < GAP_BYTES:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


class Ways:
    """Each returns what it took in bytes. ``port``: where the store is reached."""

    def __init__(self, port: int, out: Path, ranges: list[tuple[int, int]]) -> None:
        self.out, self.ranges = out, ranges
        url = f"http://127.0.0.1:{port}"
        self.plain = S3Store(
            BUCKET, config={"aws_endpoint_url_s3": url, "region": REGION}, client_options={"allow_http": True}
        )
        self.store = ObjectStore(Settings(object_endpoint=url, object_region=REGION))
        self.address = ObjectAddress(BUCKET, KEY)
        self.boto3 = boto3.client("s3", endpoint_url=url, region_name=REGION)
        self.state: ObjectState = asyncio.run(self.store.state(self.address))

    def all(self) -> dict[str, Callable[[], str | None]]:
        return {
            "one GET, hashed afterwards": self.then_hashed,
            REFERENCE: self.one_get,
            SERVICE: self.in_parts,
            "boto3's transfer manager, as many and as large, hashed afterwards": self.by_boto3,
            "only directories and the levels that are read (no sha256)": self.only_needed,
        }

    def one_get(self) -> str:
        digest = hashlib.sha256()
        with self.out.open("wb") as file:
            for chunk in obstore.get(self.plain, KEY).stream(CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
        return digest.hexdigest()

    def then_hashed(self) -> str:
        with self.out.open("wb") as file:
            for chunk in obstore.get(self.plain, KEY).stream(CHUNK_BYTES):
                file.write(chunk)
        return self.hashed()

    def in_parts(self) -> str:
        digest = hashlib.sha256()
        with self.out.open("wb") as file:

            def take(part: memoryview) -> None:
                file.write(part)
                digest.update(part)

            self.store.fetch(self.address, self.state, take, lambda: None)
        return digest.hexdigest()

    def by_boto3(self) -> str:
        config = TransferConfig(multipart_chunksize=PART_BYTES, max_concurrency=PARTS_AHEAD)
        self.boto3.download_file(BUCKET, KEY, str(self.out), Config=config)
        return self.hashed()

    def only_needed(self) -> None:
        starts, ends = zip(*self.ranges, strict=True)
        parts = obstore.get_ranges(self.plain, KEY, starts=starts, ends=ends, coalesce=0)
        assert sum(map(len, parts)) == sum(end - start for start, end in self.ranges)

    def hashed(self) -> str:
        with self.out.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def timed(way: Callable[[], str | None], sha256: str) -> float:
    start = time.perf_counter()
    found = way()
    took_s = time.perf_counter() - start
    assert found in {None, sha256}
    return took_s


def measure(ways: Ways, sha256: str, rounds: int) -> dict[str, float]:
    sides = {name: partial(timed, way, sha256) for name, way in ways.all().items()}
    return {name: statistics.median(times) for name, times in in_turn(sides, rounds).items()}


def show(path: Path, lines: dict[str, dict[str, float]], ranges: list[tuple[int, int]]) -> None:
    size, part = path.stat().st_size, sum(end - start for start, end in ranges)
    print(f"\n{path.name}: {size / 1e6:.1f} MB; {len(ranges)} ranges of {part / 1e6:.1f} MB hold what is read\n")
    print(f"| | {' | '.join(f'{name}, s | ratio' for name in lines)} |\n|{'---|' * (2 * len(lines) + 1)}")
    for way in next(iter(lines.values())):
        cells = (f"{times[way]:.2f} | {times[way] / times[REFERENCE]:.2f}" for times in lines.values())
        print(f"| {way} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "of-nobody"}
    asked = options(__doc__, "slide", rounds=5, delay_ms=20, line_mb_s=30)
    print("\n".join(f"- {text}" for text in describe()))
    print(f"- obstore {version('obstore')}, boto3 {version('boto3')}, moto {version('moto')}")
    path, rounds = asked.slide, asked.rounds
    delay_ms, line_mb_s = asked.delay_ms, asked.line_mb_s
    ranges, data = needed(path), path.read_bytes()
    with (
        tempfile.TemporaryDirectory(prefix="xmag-bench-") as folder,
        server() as port,
        line(port, delay_ms / 1e3, line_mb_s * 1e6) as slow,
    ):
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name=REGION)
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key=KEY, Body=data)
        sha256 = hashlib.sha256(data).hexdigest()
        places = {"this machine": port, f"{delay_ms} ms and {line_mb_s} MB/s": slow}
        lines = {name: measure(Ways(at, Path(folder, KEY), ranges), sha256, rounds) for name, at in places.items()}
    show(path, lines, ranges)


if __name__ == "__main__":
    configure_logs("warning", "text")  # standard output is the table's
    main()
