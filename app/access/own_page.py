"""Whether a request comes from one of the service's own pages, as reported by the browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

Origin = tuple[str, str, int]
"""Scheme, host and port (RFC 6454)."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": 80, "https": 443}


def origin_of(text: str) -> Origin | None:
    """The origin that a browser names; None for ``null``, other schemes and invalid values."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    is_bare = text.lower() == f"{parts.scheme}://{parts.netloc.lower()}" and "@" not in parts.netloc
    if parts.scheme not in _PORTS or not parts.hostname or not is_bare:
        return None
    return parts.scheme, parts.hostname, _PORTS[parts.scheme] if port is None else port


def is_own_origin(headers: Headers, scheme: str, public_url: str) -> bool:
    """Whether the request names no origin, or one of the service's: its Host, or the public address.

    Scheme, host and port count alike. ``public_url``: may be empty, may have a path.
    """
    if "origin" not in headers:
        return True
    public = urlsplit(public_url)
    own = {origin_of(f"{scheme}://{headers.get('host', '')}"), origin_of(f"{public.scheme}://{public.netloc}")}
    return origin_of(headers["origin"]) in own - {None}


def is_own_site(headers: Headers) -> bool:
    """Whether the browser marks the request as its user's or as one of the same page; programs send no mark.

    Other ports of this machine are the same *site* but not trusted, so ``same-site`` does not count.
    """
    return headers.get("sec-fetch-site", "none") in {"same-origin", "none"}


def is_own_page(headers: Headers, scheme: str, public_url: str) -> bool:
    """Whether no foreign page sent it. The browser's site header counts, because a proxy may have changed Host."""
    return is_own_site(headers) if "sec-fetch-site" in headers else is_own_origin(headers, scheme, public_url)
