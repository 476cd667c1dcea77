"""Job ids: UUID version 7 (RFC 9562, section 5.7), so that ids sort by time of creation."""

import os
import re
import time
import uuid

_FORM = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


def new_job_id() -> str:
    """A new id in lower-case canonical form."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def is_job_id(text: str) -> bool:
    """Whether ``text`` has the form of a job id; anything else never becomes a path."""
    return _FORM.match(text) is not None
