"""Sharing of viewer readers between tenants, keys and slides; waiting for a reader takes no thread."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import ParamSpec, TypeVar

from app.errors import ViewerBusyError
from app.records.record import Holder, JobRequest
from app.system.places import Places
from app.viewer.viewer import Viewer

P = ParamSpec("P")
T = TypeVar("T")
WAIT_S = 20.0
WAITING_MAX = 64
"""Most pending requests of one key for one slide; a page requests six tiles at a time."""
CHECKS = 64


class Viewing:
    """The viewer as routes use it: with as many readers, in threads of its own. Belongs to one event loop."""

    def __init__(self, viewer: Viewer, readers: int) -> None:
        self._viewer, self._readers, self._checks = viewer, Places(readers), Places(CHECKS)

    async def check(self, holder: Holder, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call that reads the disk but decodes nothing."""
        return await self._checks.run(holder, function, *args, **kwargs)

    async def decode(
        self, holder: Holder, job_id: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a call that needs a reader for the job's slide. ViewerBusyError if none is free for ``WAIT_S``."""
        owner = (*holder, job_id)
        if self._readers.waiting(owner) >= WAITING_MAX:
            raise ViewerBusyError("Too many tiles of this slide are pending. Try again in a few seconds.")
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._readers.place(owner, WAIT_S))
            except TimeoutError as error:
                raise ViewerBusyError("Too many slides are open in the viewer. Try again in a few seconds.") from error
            return await self._readers.in_thread(function, *args, **kwargs)

    async def open_ahead(self, holder: Holder, request: JobRequest) -> None:
        """Open the slide ahead of its first view, unless others would have to wait."""
        if self._readers.is_free((*holder, request.id)):
            await self.decode(holder, request.id, self._viewer.open_ahead, request)
