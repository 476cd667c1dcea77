"""The API as a process of its own: uvicorn on a socket that the supervisor holds, or on one it binds itself."""

import resource
import socket

import uvicorn

from app.api.middleware.http_protocol import impatient
from app.main import create_app
from app.settings import Settings
from app.system.logs import configure_logs
from app.system.process import go_by_name
from app.system.running import API

GRACE_S = 5


def run_api(settings: Settings, listening: socket.socket | None = None) -> None:
    """Serve until told to end. A header may take as long as an upload may be silent."""
    go_by_name(API)
    configure_logs(settings.log_level, settings.log_format)
    _allow_connections()
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=impatient(settings.upload_idle_s),
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    uvicorn.Server(config).run(sockets=None if listening is None else [listening])


def _allow_connections() -> None:
    """As many open files as this process may have: each connection is one, each upload two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
