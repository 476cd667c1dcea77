"""Requests that are nearly right, drawn from the service's own OpenAPI document."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

NASTY = (
    "", " ", "0", "-1", "1e999", "NaN", "null", "true", "[]", "{}", "../../etc/passwd", "..%2f..", "%00", "\x7f",
    "é" * 300,
    "a" * 5000, "' OR 1=1--", "<script>", "${jndi:x}", "\u202e", "01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11", "2**64",
    "18446744073709551616", "xmag-lite0", "malignancy", "stat", "succeeded",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    0.25,
    1e308,
    2**70,
    [],
    {},
    [[]],
    {"type": "path"},
    "\ud800",
    "a\0b",
    *NASTY,
)
HEADERS = ("Range", "Idempotency-Key", "If-None-Match", "Accept", "Content-Type", "X-Request-ID", "X-Forwarded-For")


@dataclass(frozen=True)
class Drawn:
    """One request."""

    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


def draw(document: dict[str, Any], seed: int, count: int, job_id: str) -> Iterator[Drawn]:
    """``count`` requests; ``job_id``: one that exists, so that some get beyond "no such job"."""
    rng = random.Random(seed)
    operations = sorted((path, method) for path, found in document["paths"].items() for method in found)
    for number in range(count):
        path, method = operations[number % len(operations)]
        operation = document["paths"][path][method]
        names = [part["name"] for part in operation.get("parameters", []) if part["in"] == "query"]
        for name in [part["name"] for part in operation.get("parameters", []) if part["in"] == "path"]:
            value = job_id if rng.random() < 0.5 and method != "delete" else rng.choice(NASTY)
            path = path.replace(f"{{{name}}}", quote(value, safe="%") or "%20")
        params = {rng.choice([*names, "unknown"]): rng.choice(NASTY) for _ in range(rng.randint(0, 3))}
        headers = {rng.choice(HEADERS): _header(rng.choice(NASTY)) for _ in range(rng.randint(0, 2))}
        content = _body(document, headers, rng) if method == "post" else None
        yield Drawn(rng.choice([method, method, method, "put", "options"]).upper(), path, params, headers, content)


def _header(text: str) -> str:
    return "".join(letter for letter in text if " " <= letter < "\x7f").strip()


def _body(document: dict[str, Any], headers: dict[str, str], rng: random.Random) -> bytes:
    fields = sorted(document["components"]["schemas"].get("PathReference", {}).get("properties", {}))
    kind = rng.randrange(4)
    if kind == 0:
        headers["Content-Type"] = "application/json"
        names = [
            *fields,
            "source",
            "mpp",
            "tasks",
            "priority",
            "case_id",
            "callback_url",
            "context",
            "stain",
            "unknown",
        ]
        found = {rng.choice(names): rng.choice(VALUES) for _ in range(rng.randint(0, 6))}
        if rng.random() < 0.5:
            found["source"] = {"type": "path", "path": rng.choice(VALUES)}
        return json.dumps(found).encode()
    if kind == 1:
        headers["Content-Type"] = "application/json"
        return rng.choice([b"", b"{", b"[" * 20_000, b"\xff\xfe", b"1", b'"\\ud800"', b'{"a":' * 5_000])
    boundary = rng.choice(["b", "b" * 200, 'b"', ""])
    headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
    if kind == 2:
        name, value = rng.choice(["slide", "mpp", "tasks", "é", 'sl"ide']), rng.choice(NASTY)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{value[:200]}"\r\n\r\n{value}'
        return head.encode() + rng.choice([b"", f"\r\n--{boundary}--\r\n".encode()])
    return rng.randbytes(rng.randint(0, 4096))
