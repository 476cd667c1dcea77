"""Everything that can be configured, from environment variables named XMAG_<FIELD>."""

import os
import re
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, FilePath, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.errors import SetupError
from app.system.object_address import ObjectAddress

GIB = 1024**3
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OidcAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures by a private key only: with a shared secret, anyone who checks a token can also make one."""


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    return host.strip("[]").lower() in LOOPBACK


def _parts(value: object, separator: str) -> object:
    """A list as the environment gives it, split; what is no text stays. ValueError for JSON: it would match nothing."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        raise ValueError(f"is a list separated by {separator!r}, not JSON")
    return tuple(part.strip() for part in value.split(separator) if part.strip())


def _installed_models() -> Path:
    """The folder ``models`` beside this package, as in a clone, from wherever a command is run; else ./models."""
    beside = Path(__file__).resolve().parent.parent / "models"
    return beside if any(beside.glob("*/manifest.json")) else Path("models")


class Settings(BaseSettings):
    """One frozen object, read once per process. `xmag doctor` prints it."""

    model_config = SettingsConfigDict(env_prefix="XMAG_", frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = Field(default="127.0.0.1", description="address the API listens on; others than loopback need a key")
    public_url: str = Field(
        default="",
        description="public address of the service, such as `https://host/xmag`; links in jobs, callbacks and reports "
        "begin with it (unset: they are paths)",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="port the API listens on")
    data_dir: Path = Field(default=Path("data"), description="folder of jobs, uploads, results and keys")
    models_dir: Path = Field(
        default_factory=_installed_models,
        description="folder of exported models (unset: models/ of the clone, else ./models)",
    )
    redis_url: str | None = Field(
        default=None,
        description="Redis 7 or Valkey, for workers on other machines (unset: an embedded server in the data folder). "
        "All machines see data folder and slide folders at the same paths",
    )
    model: str | None = Field(default=None, description="model for requests that name none (unset: the only one)")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="`cpu`, `cuda` or `auto`. With the `gpu` build an unusable GPU is an error, and no GPU a warning "
        "in the log. The `cpu` build ignores a GPU, with a warning",
    )
    precision: Literal["auto", "fp32", "fp16", "int8"] = Field(
        default="auto",
        description="`fp32`, `fp16` or `int8`, as far as the model has them; `auto`: `fp16` on a GPU, and `int8` only "
        "on a processor that computes it exactly (x86-64: VNNI); `int8` on a GPU is an error",
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads of inference (unset: the cores given)")
    slide_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="folders that slides may be named in by path, separated by `:`"
    )
    object_roots: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="buckets or prefixes of an object store that slides may be named in, `s3://bucket/prefix`, "
        "separated by commas",
    )
    object_endpoint: str | None = Field(default=None, description="address of the object store (unset: Amazon's)")
    object_region: str | None = Field(
        default=None, description="region of the object store (unset: `AWS_REGION`, else us-east-1)"
    )
    object_ca_file: FilePath | None = Field(
        default=None, description="PEM file of one more certificate authority, trusted for the object store"
    )
    object_patience_s: float = Field(
        default=30, gt=0, le=240, description="seconds that an attempt waits for an object store that does not answer"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted",
    )
    auth_failures_max: int = Field(
        default=20, ge=1, description="refused credentials per address and minute before the answer is 429"
    )
    session_hours: float = Field(
        default=12, gt=0, le=720, description="hours that a person stays logged in in a browser, at most"
    )
    oidc_issuer: str | None = Field(
        default=None, description="OpenID provider whose tokens open the service, beside keys"
    )
    oidc_audience: str | None = Field(default=None, description="what a token's `aud` must name; needed with an issuer")
    oidc_jwks_url: str | None = Field(
        default=None, description="address of the provider's keys (unset: as it publishes)"
    )
    oidc_algorithms: Annotated[tuple[OidcAlgorithm, ...], NoDecode] = Field(
        default=("RS256", "PS256", "ES256"), min_length=1, description="signatures that count, separated by commas"
    )
    oidc_scope_claim: str = Field(
        default="scope", description="claim that holds the scopes; use dots for nested claims"
    )
    oidc_scope_prefix: str = Field(default="xmag:", description="prefix of `submit`, `read` and the like in that claim")
    oidc_tenant_claim: str | None = Field(
        default=None, description="claim that names the tenant (unset: all tokens are of the tenant default)"
    )
    oidc_leeway_s: float = Field(default=30, ge=0, le=300, description="seconds that the provider's clock may be off")
    lease_s: float = Field(default=6.0, ge=0.5, le=600, description="seconds after which a silent worker loses its job")
    jobs_per_worker: int | None = Field(
        default=None,
        ge=1,
        le=16,
        description="jobs that a worker works on at a time; each has a decoding process, all share the model (unset: "
        "half the cores, 2 to 8)",
    )
    attempts_max: int = Field(default=3, ge=1, le=20, description="attempts before a job fails")
    job_deadline_s: float = Field(default=1800, gt=0, description="seconds that one attempt may take")
    drain_s: float = Field(default=20, ge=0, description="seconds to finish a job after SIGTERM before it is requeued")
    queue_max: int = Field(
        default=4000,
        ge=1,
        description="most jobs waiting or running; one key gets up to a quarter, then POST answers 429",
    )
    upload_max_bytes: int = Field(default=20 * GIB, ge=1, description="largest upload, and largest unpacked zip")
    upload_idle_s: float = Field(
        default=60, gt=0, description="an upload that needs this many seconds for 64 KiB is aborted"
    )
    upload_max_s: float = Field(default=3600, gt=0, description="seconds that one upload may take in all")
    uploads_max: int = Field(default=256, ge=1, description="most uploads at a time; one key gets up to a quarter")
    uploads_keep_hours: float = Field(
        default=24, gt=0, description="hours until an upload in pieces that nobody continues is erased"
    )
    slides_keep_days: float | None = Field(
        default=None, gt=0, description="days after a job's end until its upload is erased (unset: never)"
    )
    results_keep_days: float | None = Field(
        default=None,
        gt=0,
        description="days after a job's end until the entire job is erased, with upload and results (unset: never)",
    )
    disk_free_min_bytes: int = Field(
        default=1 * GIB, ge=0, description="with less free space, POST answers 503 and workers take no job"
    )
    identity_conflict: Literal["refuse", "warn"] = Field(
        default="refuse",
        description="`refuse` or `warn`, when a DICOM header names another case or slide than the request",
    )
    callback_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="hosts (or `host:port`) allowed in `callback_url`, separated by commas"
    )
    callback_secret: str | None = Field(
        default=None,
        min_length=16,
        description="secret that signs callbacks, at least 16 characters; needed with hosts",
    )
    callback_timeout_s: float = Field(default=10, gt=0, description="seconds to wait for a callback's answer")
    callback_token_file: Path | None = Field(default=None, description="file with the bearer token for callbacks")
    callback_cert_file: Path | None = Field(
        default=None, description="PEM file of the client certificate for callbacks, with its chain"
    )
    callback_key_file: Path | None = Field(default=None, description="PEM file of its key (unset: in the same file)")
    callback_ca_file: Path | None = Field(
        default=None, description="PEM file of one more certificate authority, trusted for callbacks"
    )
    reader_memory_bytes: int = Field(default=4 * GIB, ge=GIB // 2, description="address space of a decoding process")
    reader_cpu_s: int = Field(
        default=1800, ge=10, description="seconds of processor time that decoding one slide may take"
    )
    heartbeat_dir: Path | None = Field(
        default=None,
        description="folder for a worker's heartbeat, for health checks on its own machine (the images set it)",
    )
    viewer_readers: int = Field(
        default=16, ge=1, le=64, description="decoding processes of the viewer; one slide gets up to an eighth"
    )
    viewer_cache_bytes: int = Field(default=GIB // 4, ge=0, description="memory for tiles of the viewer")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="`json` or `text`; `auto`: text on a terminal"
    )

    @field_validator("slide_roots", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _parts(value, os.pathsep)

    @field_validator("callback_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: object) -> object:
        return _parts(value.lower(), ",") if isinstance(value, str) else value

    @field_validator("trusted_proxies", "oidc_algorithms", "object_roots", mode="before")
    @classmethod
    def _commas(cls, value: object) -> object:
        return _parts(value, ",")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            ip_network(entry)  # its ValueError says what is wrong
        return value

    @field_validator("object_roots")
    @classmethod
    def _object_roots(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ObjectAddress.parse(root.rstrip("/"))) for root in value)

    @field_validator("object_endpoint")
    @classmethod
    def _store(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value is not None and not (parts.scheme in {"http", "https"} and parts.hostname):
            raise ValueError("must begin with https:// or http://")
        if parts.username is not None or parts.query:
            raise ValueError("must be an address alone: keys belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        bare = value.rstrip("/")
        parts = urlsplit(bare)
        is_whole = re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~-]+)*", bare) and parts.hostname
        if bare and (not is_whole or {".", ".."} & set(parts.path.split("/"))):
            raise ValueError("must be like https://host or https://host/prefix")
        if parts.port == 0:  # one that is no number is a ValueError by itself
            raise ValueError("port 0 does not exist")
        return bare

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _provider(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value is not None and not (
            parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)))
        ):
            raise ValueError("must begin with https:// (http:// on this machine only)")
        return value

    @model_validator(mode="after")
    def _tokens_are_for_us(self) -> "Settings":
        if self.oidc_issuer is not None and not self.oidc_audience:
            raise ValueError("XMAG_OIDC_ISSUER needs XMAG_OIDC_AUDIENCE: tokens for other services must not open this")
        if self.oidc_issuer is None and (self.oidc_audience or self.oidc_jwks_url):
            raise ValueError("XMAG_OIDC_AUDIENCE and XMAG_OIDC_JWKS_URL mean nothing without XMAG_OIDC_ISSUER")
        return self

    @model_validator(mode="after")
    def _a_slide_is_not_kept_without_its_job(self) -> "Settings":
        days = (self.slides_keep_days, self.results_keep_days)
        if days[0] is not None and days[1] is not None and days[0] > days[1]:
            raise ValueError("XMAG_SLIDES_KEEP_DAYS is longer than XMAG_RESULTS_KEEP_DAYS: the slide goes with its job")
        return self

    @model_validator(mode="after")
    def _callbacks_are_signed(self) -> "Settings":
        if self.callback_hosts and self.callback_secret is None:
            raise ValueError("XMAG_CALLBACK_HOSTS needs XMAG_CALLBACK_SECRET (16 characters or more)")
        files = (self.callback_token_file, self.callback_cert_file, self.callback_key_file, self.callback_ca_file)
        if not self.callback_hosts and any(files):
            raise ValueError("XMAG_CALLBACK_TOKEN_FILE, _CERT_FILE, _KEY_FILE and _CA_FILE need XMAG_CALLBACK_HOSTS")
        if self.callback_key_file is not None and self.callback_cert_file is None:
            raise ValueError("XMAG_CALLBACK_KEY_FILE needs XMAG_CALLBACK_CERT_FILE")
        return self

    @field_validator("data_dir", "models_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        if value is not None and not _names_a_server(value):
            raise ValueError("cannot be read: in a password, write / # ? as %2F %23 %3F")
        return value

    @field_validator("slide_roots")
    @classmethod
    def _roots(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(path.expanduser().resolve() for path in value)

    def callback_host(self, url: str) -> str | None:
        """The entry of ``callback_hosts`` that allows ``url``; None if none does."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return None
        if parts.scheme not in {"http", "https"} or parts.username is not None:
            return None
        names = {host, f"{host}:{port}"} if port is not None else {host}
        return next((entry for entry in self.callback_hosts if entry in names), None)

    @property
    def jobs_dir(self) -> Path:
        """Folder of all jobs."""
        return self.data_dir / "jobs"

    @property
    def uploads_dir(self) -> Path:
        """Folder of uploads in pieces."""
        return self.data_dir / "uploads"

    @property
    def base_url(self) -> str:
        """Where a person on this machine opens the service."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 (compared, not bound)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def _names_a_server(url: str) -> bool:
    """False where a ``/``, ``#`` or ``?`` in the password ends what is taken for the server's name."""
    parts = urlsplit(url)
    try:
        is_whole = parts.port != 0 and re.fullmatch(r"(/\d*)?", parts.path) is not None
    except ValueError:
        return False
    return parts.scheme == "unix" or (is_whole and not parts.fragment and "@" not in parts.query)


def prepare_data_dir(settings: Settings) -> None:
    """Make the data folder. SetupError if it cannot be used."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        writable = os.access(settings.data_dir, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        raise SetupError(f"The data folder cannot be made: {error.strerror}. Set XMAG_DATA_DIR.") from error
    if not writable:
        raise SetupError("The data folder is not writable. Correct its rights, or set XMAG_DATA_DIR.")


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Settings of this process. Raises SetupError naming each variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"XMAG_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()
        )
        raise SetupError(f"Settings are wrong: {wrong}. Correct the environment and start again.") from error
