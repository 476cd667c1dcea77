"""`xmag health`: does this container's API, or its worker, do its work? For a container engine's health check.

Standard library and redis only, so that it starts quickly: it runs every few seconds.
"""

import http.client
import json
import socket

import redis

from app.errors import SetupError

WAIT_S = 3.0
WORKER_KEYS = "xmag:worker:"


def check_api(port: int) -> str:
    """What the API says of itself. SetupError when it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", "/v2/health/live")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise SetupError(f"The API does not answer on port {port}: {error}.") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise SetupError(f"The API answers {answer.status} on port {port}.")
    return f"api {json.loads(body)['version']}"


def check_workers(redis_url: str, wanted: int) -> str:
    """Which of this host's workers have a warm model and said lately that they live. SetupError below ``wanted``."""
    client = redis.Redis.from_url(
        redis_url, decode_responses=True, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S
    )
    try:
        keys = list(client.scan_iter(match=f"{WORKER_KEYS}{socket.gethostname()}-*", count=100))
    except redis.RedisError as error:
        raise SetupError(f"Redis does not answer: {error}.") from error
    finally:
        client.close()
    if len(keys) < wanted:
        raise SetupError(f"{len(keys)} of {wanted} workers of this host have their model loaded and warm.")
    return ", ".join(key.removeprefix(WORKER_KEYS) for key in keys)
