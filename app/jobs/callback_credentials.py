"""Credentials of callbacks besides the signature: a bearer token and a client certificate, from files.

The files are read for each callback, so that a replaced file takes effect at once.
"""

import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from app.errors import SetupError
from app.settings import Settings, is_loopback

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
_TOKEN_MAX_BYTES = 16 * 1024


class CallbackCredentials:
    """The credentials of the settings. Each method raises SetupError, naming the setting whose file cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def allows(self, url: str) -> bool:
        """Whether the credentials may go to ``url``: over TLS or to this machine. True if there are none."""
        parts = urlsplit(url)
        is_needed = self._settings.callback_token_file is not None or self._settings.callback_cert_file is not None
        return not is_needed or parts.scheme == "https" or is_loopback(parts.hostname or "")

    def headers(self) -> dict[str, str]:
        """``Authorization``, if there is a token."""
        path = self._settings.callback_token_file
        if path is None:
            return {}
        text = _read(path, "XMAG_CALLBACK_TOKEN_FILE")[: _TOKEN_MAX_BYTES + 1].decode("latin-1").strip()
        if len(text) > _TOKEN_MAX_BYTES or _TOKEN.fullmatch(text) is None:
            raise SetupError(f"XMAG_CALLBACK_TOKEN_FILE: {path} must hold one bearer token, and nothing else.")
        return {"Authorization": f"Bearer {text}"}

    def tls(self) -> ssl.SSLContext:
        """Verifies the receiver by the system's and the configured authorities; presents the client certificate."""
        context, settings = ssl.create_default_context(), self._settings
        if settings.callback_ca_file is not None:
            _read(settings.callback_ca_file, "XMAG_CALLBACK_CA_FILE")
            try:
                context.load_verify_locations(settings.callback_ca_file)
            except ssl.SSLError as error:
                raise SetupError(
                    f"XMAG_CALLBACK_CA_FILE: {settings.callback_ca_file} contains no certificate."
                ) from error
        if settings.callback_cert_file is not None:
            certificate, key = settings.callback_cert_file, settings.callback_key_file or settings.callback_cert_file
            _read(certificate, "XMAG_CALLBACK_CERT_FILE")
            _read(key, "XMAG_CALLBACK_KEY_FILE")
            try:
                context.load_cert_chain(certificate, key, password=_no_password)
            except (ssl.SSLError, SetupError) as error:
                raise SetupError(
                    f"XMAG_CALLBACK_CERT_FILE: {certificate} and {key} are not a PEM certificate and its key, or the "
                    "key has a password. Remove the password."
                ) from error
        return context

    def describe(self) -> str:
        """What callbacks carry, in words without secrets, from the files as they are now."""
        self.tls()
        parts = ["a signature"]
        if self.headers():
            parts.append("a bearer token")
        if self._settings.callback_cert_file is not None:
            found = x509.load_pem_x509_certificate(self._settings.callback_cert_file.read_bytes())
            parts.append(f"a client certificate, valid until {found.not_valid_after_utc:%Y-%m-%d}")
        if self._settings.callback_ca_file is not None:
            parts.append("an own authority for receivers' certificates")
        return ", ".join(parts)


def _no_password() -> str:
    """Refuses a password, for which OpenSSL would ask on the terminal."""
    raise SetupError("the key has a password")


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(f"{setting}: {path} cannot be read: {error.strerror}.") from error
