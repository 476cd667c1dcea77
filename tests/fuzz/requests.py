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
FIELDS = ("source", "mpp", "tasks", "priority", "case_id", "callback_url", "context", "stain", "unknown")
INVISIBLE = ("\ufeff", "\u200b", "\u00ad", "\u00a0", "\u2060", "\ufffe")
PART_HEADERS = (
    "",
    "",
    "",
    "Content-Type: text/plain; charset=iso-8859-1\r\n",
    "Content-Type: text/plain; charset=utf-7\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: 8bit\r\n",
    "Content-Length: 3\r\n",
    "X: " + "y" * 5000 + "\r\n",
)


@dataclass(frozen=True)
class Drawn:
    """One request. ``is_ambiguous``: it says something twice, or what nobody reads, so that it must not succeed."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    is_ambiguous: bool = False


def draw(document: dict[str, Any], seed: int, count: int, job_id: str, slide: bytes = b"") -> Iterator[Drawn]:
    """``count`` requests; ``job_id``: one that exists, so that some get beyond "no such job"; ``slide``: a good one."""
    rng = random.Random(seed)
    operations = sorted((path, method) for path, found in document["paths"].items() for method in found)
    for number in range(count):
        path, method = operations[number % len(operations)]
        operation = document["paths"][path][method]
        names = [part["name"] for part in operation.get("parameters", []) if part["in"] == "query"]
        for name in [part["name"] for part in operation.get("parameters", []) if part["in"] == "path"]:
            value = job_id if rng.random() < 0.5 and method != "delete" else rng.choice(NASTY)
            path = path.replace(f"{{{name}}}", quote(value, safe="%") or "%20")
        params = tuple((rng.choice([*names, "unknown"]), rng.choice(NASTY)) for _ in range(rng.randint(0, 3)))
        headers = {rng.choice(HEADERS): _header(rng.choice(NASTY)) for _ in range(rng.randint(0, 2))}
        is_encoded = method in {"post", "patch"} and rng.random() < 0.1
        content, is_doubled = _body(document, headers, rng, slide) if method == "post" else (None, False)
        if is_encoded:
            headers["Content-Encoding"] = rng.choice(["gzip", "br", "identity, deflate"])
        sent = [name for name, _ in params]
        is_unread = len(set(sent)) < len(sent) or not set(sent) <= set(names)
        is_ambiguous = is_unread or is_doubled or is_encoded
        verb = rng.choice([method, method, method, "put", "options"]).upper()
        yield Drawn(verb, path, params, headers, content, is_ambiguous and verb != "OPTIONS")


def _header(text: str) -> str:
    return "".join(letter for letter in text if " " <= letter < "\x7f").strip()


def _body(document: dict[str, Any], headers: dict[str, str], rng: random.Random, slide: bytes) -> tuple[bytes, bool]:
    """A body, and whether it says something twice."""
    kind = rng.randrange(5)
    if kind == 0:
        headers["Content-Type"] = "application/json"
        return _json(document, rng)
    if kind == 1:
        headers["Content-Type"] = "application/json"
        return rng.choice([b"", b"{", b"[" * 20_000, b"\xff\xfe", b"1", b'"\\ud800"', b'{"a":' * 5_000]), False
    boundary = rng.choice(["b", "b" * 200, 'b"', ""])
    headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
    if kind in {2, 3}:
        return _form(boundary, rng, slide)
    return rng.randbytes(rng.randint(0, 4096)), False


def _json(document: dict[str, Any], rng: random.Random) -> tuple[bytes, bool]:
    fields = sorted(document["components"]["schemas"].get("PathReference", {}).get("properties", {}))
    pairs = [(rng.choice([*fields, *FIELDS]), rng.choice(VALUES)) for _ in range(rng.randint(0, 6))]
    if rng.random() < 0.5:
        pairs.append(("source", {"type": "path", "path": rng.choice(VALUES)}))
    names = [name for name, _ in pairs]
    text = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    mark = rng.choice([b"", b"", b"\xef\xbb\xbf"])
    return mark + f"{{{text}}}".encode(rng.choice(["utf-8", "utf-8", "utf-16"])), len(set(names)) < len(names)


def _form(boundary: str, rng: random.Random, slide: bytes) -> tuple[bytes, bool]:
    names = [rng.choice(["slide", *FIELDS, "é", 'sl"ide']) for _ in range(rng.randint(1, 4))]
    if slide and "slide" not in names:
        names.append("slide")
    body = rng.choice([b"", b"", b"preamble\r\n", b"--\r\n", b"x" * 70_000 + b"\r\n"])
    for name in names:
        value = rng.choice([*NASTY, *INVISIBLE, f"a{rng.choice(INVISIBLE)}b"])
        file_name = rng.choice(["", f'; filename="{value[:200]}"'])
        more = rng.choice(PART_HEADERS)
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\n{more}\r\n'.encode()
        body += (slide if name == "slide" and slide else value.encode()) + b"\r\n"
    end = rng.choice([b"", f"--{boundary}--\r\n".encode(), f"--{boundary}--epilogue".encode()])
    return body + end, len(set(names)) < len(names)
