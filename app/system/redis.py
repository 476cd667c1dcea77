"""The connection to Redis: it answers or raises within seconds, and never retries in silence."""

import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from app.errors import QueueUnavailableError

PREFIX = "xmag:"
"""All keys of the service begin with this."""
DOWN = "Redis does not answer. Check that it runs, and XMAG_REDIS_URL."
DOWN_S = 0.5
CONNECT_S = 2.0


class RedisConnection:
    """A client for ``url``. Waits at most ``timeout_s`` for an answer. Thread-safe."""

    def __init__(self, url: str, timeout_s: float = 5) -> None:
        self.client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, CONNECT_S),
            retry=Retry(NoBackoff(), 0),
        )
        self._down_until = 0.0

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a command of ``client``. QueueUnavailableError if Redis refuses it or does not answer."""
        if time.monotonic() < self._down_until:
            raise QueueUnavailableError(DOWN)
        try:
            return function(*args, **kwargs)
        except ResponseError as error:
            raise QueueUnavailableError(f"Redis refused a command: {error}") from error
        except RedisError as error:
            # Many may be asking: only one in a while waits for the time-out.
            self._down_until = time.monotonic() + DOWN_S
            raise QueueUnavailableError(DOWN) from error

    def ping(self) -> None:
        """QueueUnavailableError if Redis does not answer."""
        self.call(self.client.ping)

    def close(self) -> None:
        """Close all connections."""
        self.client.close()
