"""Workers say that they live and what they have loaded: a key each, which ends by itself."""

import json
from dataclasses import asdict, dataclass, fields
from typing import cast

from app.system.redis import PREFIX, RedisConnection


@dataclass(frozen=True)
class WorkerPresence:
    """A live worker: its name, the model it has loaded and warmed, and where it runs."""

    name: str
    model: str
    model_version: str
    precision: str
    provider: str


def announce(redis: RedisConnection, presence: WorkerPresence, ttl_s: float) -> None:
    """Say that the worker lives, for ``ttl_s``."""
    redis.call(redis.client.set, f"{PREFIX}worker:{presence.name}", json.dumps(asdict(presence)), px=int(ttl_s * 1000))


def withdraw(redis: RedisConnection, name: str) -> None:
    """Say that the worker is gone."""
    redis.call(redis.client.delete, f"{PREFIX}worker:{name}")


def live_workers(redis: RedisConnection) -> list[WorkerPresence]:
    """All workers that said so lately."""
    keys = redis.call(lambda: list(redis.client.scan_iter(match=f"{PREFIX}worker:*", count=100)))
    values = cast("list[str | None]", redis.call(redis.client.mget, keys)) if keys else []
    return [_presence(json.loads(value)) for value in values if value is not None]


def _presence(said: dict[str, str]) -> WorkerPresence:
    """Of whatever version the worker is: what it does not say is empty, what is not known here is passed over."""
    return WorkerPresence(**{field.name: said.get(field.name, "") for field in fields(WorkerPresence)})
