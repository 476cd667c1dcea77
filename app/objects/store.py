"""The client of an S3-compatible store: what an object is like now, and its bytes.

Credentials are found by the library's own chain (environment, web identity, container, instance) and never seen here.
What the library says of a failure holds addresses, which may name patients: it goes into no message and no log.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import S3Store

from app.errors import ObjectNotAllowedError, SlideMissingError, SourceChangedError, StorageUnavailableError
from app.settings import Settings
from app.system.object_address import ObjectAddress

PART_BYTES = 4 * 2**20
PARTS_AHEAD = 8
"""Parts on their way at a time, and so many in memory at most (docs/decisions/0009)."""
TURN_S = 0.1
LOOK_S = 10.0
_SILENCE_S = 10.0
_BACKOFF_S = 2.0
_WHOLE_REQUEST = "24h"
"""A request may take as long as bytes come: silence is what ends it."""


@dataclass(frozen=True)
class ObjectState:
    """What identifies an object's bytes: two objects of one ETag at one address are the same."""

    size_bytes: int
    etag: str
    version: str | None


class ObjectStore:
    """Thread-safe. Asks again for ``object_patience_s`` where the store does not answer, or stops in the middle."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets: dict[str, S3Store] = {}

    async def state(self, address: ObjectAddress) -> ObjectState:
        """The object now. SlideMissingError, ObjectNotAllowedError, StorageUnavailableError within ``LOOK_S``."""
        try:
            async with asyncio.timeout(LOOK_S):
                found = await obstore.head_async(self._bucket(address.bucket), address.key)
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise ObjectNotAllowedError(
                "The object was not found, or the server's credentials cannot read it."
            ) from error
        except FileNotFoundError as error:
            raise SlideMissingError("There is no object at that address.") from error
        except (BaseError, TimeoutError) as error:
            raise _unavailable() from error
        etag = found["e_tag"]
        if not etag:
            raise StorageUnavailableError("The object store returned no ETag. An ETag is required to detect changes.")
        return ObjectState(found["size"], etag, found["version"])

    def fetch(
        self,
        address: ObjectAddress,
        state: ObjectState,
        take: Callable[[memoryview], None],
        turn: Callable[[], None],
    ) -> None:
        """Give the object's bytes to ``take``, in order. Blocks.

        ``turn`` is called every ``TURN_S`` and may raise to stop. SourceChangedError unless the object still is as
        ``state`` says, SlideMissingError, StorageUnavailableError.
        """
        asyncio.run(_in_order(partial(self._part, address, state), state.size_bytes, take, turn))

    async def _part(self, address: ObjectAddress, state: ObjectState, start: int) -> memoryview:
        end = min(start + PART_BYTES, state.size_bytes)
        try:
            answer = await obstore.get_async(
                self._bucket(address.bucket), address.key, options={"if_match": state.etag, "range": (start, end)}
            )
            part = memoryview(await answer.bytes_async())
        except PreconditionError as error:
            raise _changed() from error
        except FileNotFoundError as error:
            raise SlideMissingError("The object is no longer there. Send the request again.") from error
        except BaseError as error:
            raise _unavailable() from error
        if answer.meta["e_tag"] != state.etag or len(part) != end - start:  # of a store that knows no If-Match
            raise _changed()
        return part

    def _bucket(self, name: str) -> S3Store:
        if name not in self._buckets:
            self._buckets[name] = _open_bucket(name, self._settings)
        return self._buckets[name]


async def _in_order(
    part: Callable[[int], Coroutine[None, None, memoryview]],
    size_bytes: int,
    take: Callable[[memoryview], None],
    turn: Callable[[], None],
) -> None:
    """Give ``take`` what ``part`` has from 0, from ``PART_BYTES`` on .., a few of them on their way at a time."""
    starts = iter(range(0, size_bytes, PART_BYTES))
    ahead: deque[asyncio.Task[memoryview]] = deque()
    try:
        while True:
            for start in islice(starts, PARTS_AHEAD - len(ahead)):
                ahead.append(asyncio.create_task(part(start)))
            if not ahead:
                return
            while not ahead[0].done():
                turn()
                await asyncio.wait({ahead[0]}, timeout=TURN_S)
            turn()
            take(ahead.popleft().result())
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


def _open_bucket(name: str, settings: Settings) -> S3Store:
    endpoint, region, authority = settings.object_endpoint, settings.object_region, settings.object_ca_file
    is_plain = endpoint is not None and endpoint.startswith("http://")
    return S3Store(
        name,
        config={
            **({"aws_endpoint_url_s3": endpoint} if endpoint is not None else {}),
            **({"region": region} if region is not None else {}),
        },
        client_options={
            **({"allow_http": True} if is_plain else {}),
            **({"root_certificate": authority.read_bytes()} if authority is not None else {}),
            "read_timeout": timedelta(seconds=min(_SILENCE_S, settings.object_patience_s)),
            "timeout": _WHOLE_REQUEST,
        },
        retry_config={
            "retry_timeout": timedelta(seconds=settings.object_patience_s),
            "max_retries": 10_000,
            "backoff": {"max_backoff": timedelta(seconds=_BACKOFF_S)},
        },
    )


def _changed() -> SourceChangedError:
    return SourceChangedError("The object was changed after the request. Send the request again.")


def _unavailable() -> StorageUnavailableError:
    return StorageUnavailableError(
        "The object store does not answer as it should: check its address (XMAG_OBJECT_ENDPOINT), the network and the "
        "server's credentials, then try again."
    )
