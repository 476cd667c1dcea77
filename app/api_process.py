"""The API as a process of its own: uvicorn on a socket that the supervisor holds, or on one it binds itself."""

import socket

import uvicorn

from app.main import create_app
from app.settings import Settings

GRACE_S = 5


def run_api(settings: Settings, listening: socket.socket | None = None) -> None:
    """Serve until told to end."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    uvicorn.Server(config).run(sockets=None if listening is None else [listening])
