"""The API as a process of its own: uvicorn on a socket that the supervisor holds, or on one it binds itself."""

import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.api.services import Services
from app.main import create_app
from app.settings import Settings

GRACE_S = 5


class _Server(uvicorn.Server):
    """Tells event streams to end as soon as the process is told to: they would hold it up."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT came."""
        services: Services | None = getattr(self._app.state, "services", None)
        if services is not None:
            services.draining.set()
        super().handle_exit(sig, frame)


def run_api(settings: Settings, listening: socket.socket | None = None) -> None:
    """Serve until told to end."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    _Server(config, app).run(sockets=None if listening is None else [listening])
