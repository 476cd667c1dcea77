"""Sends damaged slides and drawn requests to a running service, and says what should not have happened."""

import csv
import io
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.fuzz.disguises import disguised, shows_label
from tests.fuzz.mutations import mutated
from tests.fuzz.requests import draw
from tests.service import Service

OPEN = ("/v2/health/", "/docs", "/openapi.json", "/static", "/session")
REFUSALS = frozenset({"slide_unsupported", "slide_corrupt"})
SCORE_MAX = 0.02
"""A mask from another level may move by a pixel; the tiles' own pixels are the same."""
PAGE = re.compile(r"/jobs/[^/]+/view")


@dataclass
class Report:
    """Counts by what was sent and what came back; ``findings`` should be empty."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


def attack_with_slides(
    service: Service, key: dict[str, str], slides: Sequence[Path], seeds: Sequence[int], scratch: Path, report: Report
) -> None:
    """Upload one damaged slide a seed; every accepted one must end, all processes live on, and nothing stays behind."""
    pids, before = {name: service.pid(name) for name in ("api", "worker")}, service.job_folders()
    originals, accepted = [path.read_bytes() for path in slides], list[str]()
    for seed in seeds:
        kind, data = mutated(random.Random(seed).choice(originals), seed)
        path = scratch / f"fuzz-{seed}.svs"
        path.write_bytes(data)
        answer = service.post(path, key)
        path.unlink()
        body = answer.json()
        report.counts[kind, str(body.get("code", answer.status_code))] += 1
        if answer.status_code == 202:
            accepted.append(body["id"])
        elif answer.status_code >= 500 or not body.get("detail") or "fuzz-" in body["detail"]:
            report.findings.append(f"slide {seed} ({kind}): {answer.status_code} {answer.text[:300]}")
    for job_id in accepted:
        job = _wait(service, key, job_id)
        error = job["error"] or {}
        report.counts["accepted, then", str(error.get("code", job["state"]))] += 1
        if job["finished_at"] is None or error.get("code") in {"internal_error", "attempts_exhausted"}:
            report.findings.append(f"job {job_id}: {job['state']} {error}")
    if {name: service.pid(name) for name in pids} != pids:
        report.findings.append("a process died")
    if service.job_folders() - before - set(accepted):
        report.findings.append("refused uploads left something behind")


def attack_with_disguises(
    service: Service, key: dict[str, str], seeds: Sequence[int], scratch: Path, report: Report
) -> None:
    """Upload an odd slide a seed and its honest twin: it is refused, or has the twin's result; no label is shown."""
    for seed in seeds:
        slide = disguised(scratch, seed)
        twin = _outcome(service, key, slide.twin)
        found = _outcome(service, key, slide.path)
        report.counts[f"disguise {slide.kind}", found.code or "as its twin"] += 1
        if twin.code:
            report.findings.append(f"disguise {seed}: the twin is refused: {twin.code}")
        elif found.code and found.code not in REFUSALS:
            report.findings.append(f"disguise {seed} ({slide.kind}): {found.code}")
        elif not found.code and (found.tiles != twin.tiles or abs(found.score - twin.score) > SCORE_MAX):
            report.findings.append(
                f"disguise {seed} ({slide.kind}): {len(found.tiles & twin.tiles)} of {len(twin.tiles)} tiles and "
                f"{len(found.tiles - twin.tiles)} others, score {found.score:.3f} for {twin.score:.3f}"
            )
        if slide.has_label and any(map(shows_label, found.pictures)):
            report.findings.append(f"disguise {seed} ({slide.kind}): the label is shown")
        for path in (slide.path, slide.twin):
            path.unlink()


@dataclass(frozen=True)
class Outcome:
    """What came of a slide. ``code``: the error's, "" where it succeeded; ``tiles``: (x0, y0) of its tissue tiles."""

    code: str
    tiles: frozenset[tuple[str, str]] = frozenset()
    score: float = 0.0
    pictures: tuple[bytes, ...] = ()


def _outcome(service: Service, key: dict[str, str], slide: Path) -> Outcome:
    answer = service.post(slide, key)
    if answer.status_code != 202:
        return Outcome(str(answer.json()["code"]))
    job = _wait(service, key, answer.json()["id"])
    pictures = _pictures(service, key, job["id"])
    if job["state"] != "succeeded":
        return Outcome(str((job["error"] or {}).get("code", job["state"])), pictures=pictures)
    result = service.http.get(f"/jobs/{job['id']}/result", headers=key).json()
    table = service.http.get(f"/jobs/{job['id']}/tiles.csv", headers=key).text
    tiles = frozenset((row["x0_px"], row["y0_px"]) for row in csv.DictReader(io.StringIO(table)))
    return Outcome("", tiles, result["predictions"][0]["probabilities"]["malignant"], pictures)


def _pictures(service: Service, key: dict[str, str], job_id: str) -> tuple[bytes, ...]:
    """Whatever of the slide is to be seen: thumbnail, heatmap, and the viewer's tile of each level."""
    names = ["thumbnail.jpg", "heatmap.png", *(f"slide_files/{level}/0_0.jpg" for level in range(6, 12))]
    answers = [service.http.get(f"/jobs/{job_id}/{name}", headers=key) for name in names]
    return tuple(answer.content for answer in answers if answer.status_code == 200)


def attack_with_requests(
    service: Service, key: dict[str, str], seed: int, count: int, job_id: str, slide: bytes, report: Report
) -> None:
    """Every request twice: with the key, and without, when nothing but what is open to all may answer."""
    document = service.http.get("/openapi.json").json()
    for drawn in draw(document, seed, count, job_id, slide):
        for who, headers in (("with a key", {**drawn.headers, **key}), ("without", drawn.headers)):
            try:
                # A connection each: the server may answer and hang up before it has read a body that it refuses.
                with httpx.stream(
                    drawn.method,
                    f"{service.url}{drawn.path}",
                    params=drawn.params,
                    headers=headers,
                    content=drawn.content,
                    timeout=60,
                ) as answer:
                    if "text/event-stream" not in answer.headers.get("content-type", ""):  # those have no end
                        answer.read()
                    text = answer.text if answer.is_closed else ""
            except (httpx.InvalidURL, httpx.LocalProtocolError):  # not even a request
                continue
            except (httpx.ReadError, httpx.WriteError):
                if drawn.content is None:
                    raise
                report.counts[f"request {who}", "hung up on"] += 1
                continue
            report.counts[f"request {who}", str(answer.status_code)] += 1
            is_known = who == "with a key" or drawn.method == "OPTIONS"  # what may be asked is no secret
            problem = _what_is_wrong(answer, text, is_known=is_known, path=drawn.path)
            if drawn.is_ambiguous and answer.is_success:
                problem = f"{answer.status_code} to what is said twice, or not read"
            if problem is not None:
                report.findings.append(f"{who}: {drawn}: {problem}")


def _what_is_wrong(answer: httpx.Response, text: str, *, is_known: bool, path: str) -> str | None:
    if answer.status_code >= 500:
        return f"{answer.status_code} {text[:300]}"
    if "Traceback" in text:
        return "a traceback"
    is_of_range = answer.status_code == 400 and "Range" in answer.request.headers  # the framework's own answer
    if answer.status_code >= 400 and "json" not in answer.headers.get("content-type", "") and text and not is_of_range:
        return f"{answer.status_code} without a problem document: {text[:100]}"
    is_open = path.startswith(OPEN) or PAGE.fullmatch(path)
    if not is_known and answer.status_code < 400 and not is_open:
        return f"{answer.status_code} without a key"
    return None


def _wait(service: Service, key: dict[str, str], job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 300
    job: dict[str, Any] = service.http.get(f"/jobs/{job_id}", headers=key).json()
    while job["finished_at"] is None and time.monotonic() < deadline:
        time.sleep(0.1)
        job = service.http.get(f"/jobs/{job_id}", headers=key).json()
    return job
