"""One POST to an address that somebody else chose: resolved once, no redirects, short answers, a time limit."""

import http.client
import socket
import ssl
from urllib.parse import quote, urlsplit

ANSWER_MAX_BYTES = 64 * 1024
REASON_MAX_CHARS = 200
_AS_THEY_ARE = "/?%:@!$&'()*+,;=~"
"""Characters of an address that mean something (RFC 3986); others, as umlauts, are percent-encoded."""


class PostError(Exception):
    """It did not arrive: why, without the address."""


def post_json(url: str, body: bytes, headers: dict[str, str], timeout_s: float, tls: ssl.SSLContext) -> None:
    """POST and return on 2xx; PostError otherwise. A redirect is an error: it may lead anywhere."""
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    target = quote(parts.path or "/", safe=_AS_THEY_ARE) + (
        f"?{quote(parts.query, safe=_AS_THEY_ARE)}" if parts.query else ""
    )
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        # The address is resolved here and used as it is: a second look-up could say something else.
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4]
        plain = socket.create_connection((str(address[0]), port), timeout=timeout_s)
        connection.sock = tls.wrap_socket(plain, server_hostname=host) if is_tls else plain
        connection.request(
            "POST", target, body, {"Content-Type": "application/json", "User-Agent": "xmag-serve", **headers}
        )
        answer = connection.getresponse()
        answer.read(ANSWER_MAX_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a host that no name can be
        raise PostError(f"no answer ({type(error).__name__}: {str(error)[:REASON_MAX_CHARS]})") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise PostError(f"it answered {answer.status}")
