"""compose.yaml brought up for a test: a project, ports and volumes of its own, without a GPU."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
COMMAND_S = 900


class Stack:
    """One compose project of the files in ``root``. ``settings`` go into its env file, as a hospital's into `.env`."""

    def __init__(self, name: str, folder: Path, *files: str, root: Path = ROOT, **settings: str | int) -> None:
        self.name = name
        self._root = root
        self.settings = {
            "XMAG_VERSION": "test",
            "XMAG_BUILD_NETWORK": "host",
            "XMAG_ADDRESS": "127.0.0.1",
            "XMAG_HTTPS_PORT": free_port(),
            **settings,
        }
        self._files = files or ("compose.yaml",)
        self._env_file = folder / f"{name}.env"
        self._env_file.write_text("".join(f"{key}={value}\n" for key, value in self.settings.items()))
        self.url = f"https://localhost:{self.settings['XMAG_HTTPS_PORT']}"
        self.key = ""

    def compose(self, *arguments: str, stdin: bytes | None = None, check: bool = True) -> bytes:
        """`docker compose` on this project; its output. With ``check`` it must not fail."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("XMAG_", "COMPOSE_"))}
        files = [part for file in self._files for part in ("-f", file)]
        command = ["docker", "compose", "-p", self.name, *files, "--env-file", str(self._env_file), "--profile", "cpu"]
        found = subprocess.run(
            [*command, *arguments],
            cwd=self._root, env=environment, input=stdin, capture_output=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip
        if check and found.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)}: {found.stderr.decode()[-3000:]}\n{self.log()[-6000:]}")
        return found.stdout

    def log(self) -> str:
        """What the containers said lately."""
        return self.compose("logs", "--no-color", "--tail", "30", check=False).decode()

    def up(self, *arguments: str) -> float:
        """`up -d --wait`; the seconds it took."""
        began = time.monotonic()
        self.compose("up", "-d", "--wait", *arguments)
        return time.monotonic() - began

    def containers(self) -> list[dict[str, object]]:
        """`docker inspect` of every container of the project."""
        ids = self.compose("ps", "-aq").decode().split()
        return list(json.loads(subprocess.run(["docker", "inspect", *ids], check=True, capture_output=True).stdout))

    def service(self, name: str) -> dict[str, object]:
        """`docker inspect` of the service's first container."""
        return next(c for c in self.containers() if c["Config"]["Labels"]["com.docker.compose.service"] == name)

    def health(self, service: str, wanted: str, timeout_s: float = 120) -> str:
        """The engine's verdict on the service's first container, waiting ``timeout_s`` for the one ``wanted``."""
        deadline = time.monotonic() + timeout_s
        while True:
            verdict = str(self.service(service)["State"]["Health"]["Status"])
            if verdict == wanted or time.monotonic() > deadline:
                return verdict
            time.sleep(1)

    def read_key(self) -> str:
        """The first key, as the documentation says to read it."""
        return self.compose("run", "--rm", "-T", "setup", "cat", "/keys/first").decode().strip()

    def trust(self) -> ssl.SSLContext:
        """Trusts the proxy's self-signed certificate and no other."""
        certificate = self.compose("exec", "-T", "proxy", "cat", "/tls/cert.pem").decode()
        return ssl.create_default_context(cadata=certificate)

    @contextlib.contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Talks TLS to the proxy and shows the first key."""
        self.key = self.key or self.read_key()
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(
            base_url=self.url, verify=self.trust(), headers=headers, timeout=60, trust_env=False
        ) as client:
            yield client

    def signal_worker(self, name: str) -> None:
        """Send a signal to one worker process."""
        script = (
            "for p in /proc/[0-9]*; do case $(tr '\\0' ' ' < $p/cmdline 2>/dev/null) in "
            "*python*xmag\\ worker*) kill -s NAME ${p#/proc/} && echo sent && break;; esac; done"
        )
        said = self.compose("exec", "-T", "worker-cpu", "sh", "-c", script.replace("NAME", name), check=False)
        assert b"sent" in said


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post_path(http: httpx.Client, name: str) -> str:
    """A job on a slide of the archive; its id."""
    answer = http.post("/analyze", json={"source": {"type": "path", "path": f"/slides/{name}"}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def wait(http: httpx.Client, job_id: str, *states: str, timeout_s: float = 300) -> dict[str, object]:
    """Poll until the job is in one of ``states`` (default: over)."""
    wanted = states or ("succeeded", "failed", "cancelled")
    deadline, job = time.monotonic() + timeout_s, {}
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            answer = http.get(f"/jobs/{job_id}")
            if answer.status_code == 200:
                job = answer.json()
                if job["state"] in wanted:
                    return job
        time.sleep(0.05)
    raise AssertionError(f"the job is {job} after {timeout_s} s")
