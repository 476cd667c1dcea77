"""Event streams: the number open at a time is limited, and shared like the other limits."""

from collections.abc import AsyncIterator

from fastapi import Depends

from app.api.auth import Anybody
from app.api.services import ServicesDep
from app.errors import QueueFullError


async def _counted(services: ServicesDep, caller: Anybody) -> AsyncIterator[None]:
    if not services.streams.take(caller.holder):
        raise QueueFullError("Too many event streams are open. Close some, or poll the job instead.")
    try:
        yield
    finally:
        services.streams.give_back(caller.holder)


ONE_STREAM = Depends(_counted)
"""For routes that stream: QueueFullError when the caller's share of the streams is used up."""
