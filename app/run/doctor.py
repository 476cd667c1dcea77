"""`xmag doctor`: each part of a set-up examined by using it, and what to do where it fails."""

import asyncio
import os
import re
import shutil
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from app.access.jwks import fetch_keys
from app.errors import ObjectNotAllowedError, SetupError, SlideMissingError, XmagError
from app.from_settings import reader_limits
from app.inference.gpu import probe_gpus
from app.inference.providers import CPU_BUILD, CUDA
from app.inference.registry import ModelRegistry
from app.jobs.callback_credentials import CallbackCredentials
from app.jobs.queue.embedded import queue_address
from app.objects.store import ObjectStore
from app.settings import GIB, Settings
from app.slides.sandbox.reader import SlideReader
from app.system.object_address import ObjectAddress
from app.system.redis import RedisConnection

MASK = "(set)"
_OTHERS = ("key", "server", "gpus")
"""Variables of `xmag submit`, and of the container that starts a worker for each GPU, which configure nothing here."""


@dataclass(frozen=True)
class Finding:
    """One part: what it is, whether it works, and a sentence."""

    what: str
    is_fine: bool
    says: str


def examine(settings: Settings) -> list[Finding]:
    """All parts. A part that fails does not keep the others from being looked at."""
    parts: list[tuple[str, Callable[[Settings], str]]] = [
        ("settings", _settings),
        ("python", _python),
        ("data", _data),
        ("slides", _slides),
        ("objects", _objects),
        ("reader", _reader),
        ("openid", _openid),
        ("callbacks", _callbacks),
        ("queue", _queue),
        ("runtime", _runtime),
        ("gpu", _gpu),
        ("models", _models),
    ]
    return [_look(what, part, settings) for what, part in parts]


def _look(what: str, part: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(what, True, part(settings))
    except XmagError as error:
        return Finding(what, False, error.message)
    except OSError as error:
        return Finding(
            what, False, ": ".join(str(part) for part in (error.strerror, error.filename) if part) or str(error)
        )


def _settings(settings: Settings) -> str:
    values = settings.model_dump()
    if settings.redis_url and not settings.redis_url.startswith("unix://"):
        address = urlsplit(settings.redis_url)
        values["redis_url"] = f"{address.scheme}://{address.hostname}:{address.port or 6379}"
    values["callback_secret"] = settings.callback_secret and MASK
    unknown = [
        name
        for name in os.environ
        if name.startswith("XMAG_")
        and not name.startswith("XMAG_TEST_")
        and name[5:].lower() not in {*values, *_OTHERS}
    ]
    if unknown:
        raise SetupError(
            f"{', '.join(unknown)}: no such setting. Unset it, then run `xmag doctor` to list all settings."
        )
    lines = (f"XMAG_{name.upper()}={_plain(value)}" for name, value in values.items())
    return "as set in this shell" + "".join(f"\n                {line}" for line in lines)


def _plain(value: object) -> str:
    """The value as written in its variable: folders separated by colons, all other lists by commas."""
    if value is None:
        return "(unset)"
    if not isinstance(value, tuple):
        return str(value)
    separator = os.pathsep if all(isinstance(entry, Path) for entry in value) else ","
    return separator.join(map(str, value)) or "(none)"


def _python(_: Settings) -> str:
    return f"{sys.version.split()[0]}, xmag-serve {version('xmag-serve')}"


def _data(settings: Settings) -> str:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=settings.data_dir) as file:
        file.write(b"x")
        os.fsync(file.fileno())
    free = shutil.disk_usage(settings.data_dir).free
    if free < settings.disk_free_min_bytes:
        raise SetupError(f"{free / GIB:.1f} GiB free in {settings.data_dir}: new slides are refused (503). Free space.")
    return f"{settings.data_dir} is writable, {free / GIB:.1f} GiB free"


def _slides(settings: Settings) -> str:
    for root in settings.slide_roots:
        if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
            raise SetupError(f"The slide folder {root} (XMAG_SLIDE_ROOTS) cannot be read.")
    return f"{len(settings.slide_roots)} slide folders" if settings.slide_roots else "no slide folder: uploads only"


def _objects(settings: Settings) -> str:
    """Asks each bucket for an object that nobody has: the answer that there is none is a good one."""
    if not settings.object_roots:
        return "no object store"
    store, said = ObjectStore(settings), []
    for root in settings.object_roots:
        answer = "answers"
        try:
            with suppress(SlideMissingError):
                asyncio.run(store.state(ObjectAddress.parse(f"{root}/xmag-doctor")))
        except ObjectNotAllowedError:
            answer = "is reachable; listing is not permitted (normal). If slides are refused too, check the credentials"
        said.append(f"{root} {answer}")
    return ", ".join(said)


def _reader(settings: Settings) -> str:
    with SlideReader(reader_limits(settings)) as reader:
        try:
            reader.open(Path(__file__).resolve())
        except XmagError as error:
            if error.code != "not_a_slide":
                raise
        confined = reader.confined()
    kernel_allows = [
        *["read files other than its slide (needs Landlock, Linux 5.13 or newer, or user namespaces)"]
        * (not confined.reading),
        *["write and run files and inspect other processes (needs the same)"] * (not confined.files),
        *["use the network, start processes and change files' permissions (needs seccomp)"] * (not confined.calls),
        *["use root's capabilities"] * (not confined.capabilities),
    ]
    if kernel_allows:
        return f"decoding works. NOT confined: this kernel or container lets a decoder {'; '.join(kernel_allows)}"
    return (
        "decoding works. Confined: a decoder reads its own slide and libraries only, and changes and runs no file. "
        "It has no network and no capabilities, and cannot act on other processes"
    )


def _openid(settings: Settings) -> str:
    if settings.oidc_issuer is None:
        return "no OpenID provider: only keys made with `xmag keys` are valid"
    keys = len(fetch_keys(settings.oidc_issuer, settings.oidc_jwks_url))
    return f"{settings.oidc_issuer} publishes {keys} signing keys"


def _callbacks(settings: Settings) -> str:
    """Connects to each host, over TLS if supported, and sends nothing: any callback would stand for a job."""
    if not settings.callback_hosts:
        return "no callbacks: XMAG_CALLBACK_HOSTS is empty"
    credentials = CallbackCredentials(settings)
    carried, tls = credentials.describe(), credentials.tls()
    found = [_reached(entry, tls, settings.callback_timeout_s) for entry in settings.callback_hosts]
    return f"{'; '.join(found)}; callbacks carry {carried}"


def _reached(entry: str, tls: ssl.SSLContext, timeout_s: float) -> str:
    """How a host of XMAG_CALLBACK_HOSTS answers; SetupError if it does not. Without a port, tries https and http."""
    host, _, port = entry.rpartition(":") if re.search(r":\d+$", entry) else (entry, "", "")
    host, failures = host.strip("[]"), []
    for number in [int(port)] if port else [443, 80]:
        try:
            with socket.create_connection((host, number), timeout=timeout_s) as plain:
                if number == 80:
                    return f"{entry} answers on port 80, without TLS"
                with tls.wrap_socket(plain, server_hostname=host):
                    return f"{entry} answers over TLS"
        except ssl.SSLCertVerificationError as error:
            raise SetupError(
                f"{entry}: its certificate is not trusted ({error.verify_message}). Name its authority in "
                "XMAG_CALLBACK_CA_FILE."
            ) from error
        except ssl.SSLError:
            return f"{entry} answers, without TLS"
        except OSError as error:
            failures.append(f"port {number}: {error.strerror or error}")
    raise SetupError(
        f"{entry} (XMAG_CALLBACK_HOSTS) cannot be reached: {', '.join(failures)}. "
        "If it listens elsewhere, list it as host:port."
    )


def _queue(settings: Settings) -> str:
    url, embedded = queue_address(settings)
    client = RedisConnection(url).client
    try:
        info = client.info()
        durable = client.config_get("appendonly").get("appendonly") == "yes"
        policy = info.get("maxmemory_policy")
    except (AuthenticationError, ResponseError) as error:
        raise SetupError(
            f"Redis at XMAG_REDIS_URL refuses the login: {error}. Check user, password and permissions."
        ) from error
    except RedisError as error:
        raise SetupError("Redis does not answer at XMAG_REDIS_URL. Start it, or unset the variable.") from error
    finally:
        client.close()
        if embedded is not None:
            embedded.stop()
    name = f"{info.get('server_name', 'redis')} {info.get('valkey_version', info.get('redis_version'))}"
    if policy != "noeviction":
        raise SetupError(f"{name} may evict keys (maxmemory-policy {policy}). Set it to noeviction.")
    where = "embedded" if settings.redis_url is None else "at XMAG_REDIS_URL"
    return f"{name} answers, {where}" + (
        "" if durable else "; it has no append-only file, so a crash loses the queue (rebuilt from disk)"
    )


def _runtime(_: Settings) -> str:
    found = []
    for wheel in ("onnxruntime", "onnxruntime-gpu"):
        try:
            found.append(f"{wheel} {version(wheel)}")
        except PackageNotFoundError:
            continue
    if len(found) > 1:
        raise SetupError(f"Both {' and '.join(found)} are installed and overwrite each other. Keep one.")
    if not found:
        raise SetupError(
            "onnxruntime is missing, so this installation can run the API but no worker. "
            "Install the extra cpu or gpu to run a worker."
        )
    return f"{found[0]}: {', '.join(_providers())}"


def _providers() -> list[str]:
    """Those that can be used here; none where onnxruntime is missing, as beside an API that stands alone."""
    try:
        from app.inference.runtime import onnxruntime  # noqa: PLC0415
    except ModuleNotFoundError:
        return []
    return [name for name in onnxruntime.get_available_providers() if name.startswith(("CUDA", "TensorRT", "CPU"))]


def _gpu(settings: Settings) -> str:
    probe = probe_gpus()
    shortfall = probe.shortfall()
    if shortfall is not None and (settings.device == "cuda" or probe.gpus or probe.problem):
        raise SetupError(shortfall)
    if not probe.gpus:
        why = f", although onnxruntime is the GPU build: {probe.absence}" if CUDA in _providers() else ""
        return f"no GPU found: inference runs on the CPU{why}"
    is_used = settings.device != "cpu" and CUDA in _providers()
    why = "XMAG_DEVICE is cpu" if settings.device == "cpu" else CPU_BUILD
    return ", ".join(gpu.name for gpu in probe.gpus) + ("" if is_used else f"; not used: {why}")


def _models(settings: Settings) -> str:
    registry = ModelRegistry(settings.models_dir)
    problems = registry.problems()
    if problems:
        raise SetupError("; ".join(f"{name}: {reason}" for name, reason in problems.items()))
    default = registry.default(None, settings.model)
    if not _providers():
        return f"{', '.join(registry.names())}, not tested, because onnxruntime is missing; default {default}"
    from app.analysis.installed_model import installed_model  # noqa: PLC0415

    said = []
    for name in registry.names():
        model = installed_model(settings, registry.folder(name))
        model.warm_up()
        heads = model.manifest.heads
        worth = "validated" if all(head.validated for head in heads) else "NOT validated"
        worth = worth if all(head.trained for head in heads) else "UNTRAINED"
        said.append(f"{name} {model.manifest.version} ({model.provider}, {model.precision}, {worth})")
    return f"{', '.join(said)}; default {default}"
