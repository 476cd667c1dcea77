"""Child processes watched over: started again when they die, and ended when they fall silent."""

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from app.errors import SetupError
from app.jobs.queue.embedded import ensure_embedded
from app.system.process import end_with_parent

log = structlog.stdlib.get_logger("xmag.serve")
EXIT_SETUP = 78  # EX_CONFIG: starting again would not help
STEADY_S = 60.0
PAUSE_MAX_S = 10.0
LOOK_S = 3.0
SILENT_MAX_S = 20.0

Pulse = Callable[[int], bool | None]
"""Given a process id: True it works, False it is silent, None that cannot be told now."""


class Child:
    """A process, started again when it dies, after a pause that grows while it keeps dying.

    A process that worked and then gave no pulse for ``SILENT_MAX_S`` (it hangs, or was stopped) is killed.
    """

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], pulse: Pulse, keep: tuple[int, ...] = ()
    ) -> None:
        self.name, self._command, self._environment = name, command, environment
        self._pulse, self._keep = pulse, keep
        self._pause_s = 0.5
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._look_at = 0.0
        self._last_pulse: float | None = None
        self._is_asked = False

    def start(self) -> None:
        """Start it, in a session of its own: a Ctrl-C is the supervisor's to hand on."""
        self._started, self._last_pulse, self._is_asked = time.monotonic(), None, False
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            pass_fds=self._keep,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 (the supervisor has one thread)
        )
        log.info("process.started", child=self.name, pid=self._process.pid)

    def look(self, stopping: Callable[[float], bool], *, is_proven: bool) -> None:
        """Start it again if it died, kill it if it fell silent.

        SetupError if it said that starting would not help. If the set-up worked before (``is_proven``), the fault may
        pass, so the rest goes on without it.
        """
        if self._process is None:
            return
        if self._process.poll() is None:
            self._feel(self._process)
            return
        if self._process.returncode == EXIT_SETUP and not is_proven:
            raise SetupError(f"The {self.name} cannot run as configured; its message is above.")
        if time.monotonic() - self._started > STEADY_S:
            self._pause_s = 0.5
        log.error("process.died", child=self.name, exit=self._process.returncode, pause_s=self._pause_s)
        if not stopping(self._pause_s):
            self._pause_s = min(self._pause_s * 2, PAUSE_MAX_S)
            try:
                self.start()
            except (OSError, subprocess.SubprocessError) as error:  # no memory for it now: the next look tries again
                log.error("process.start_failed", child=self.name, reason=str(error))

    def _feel(self, process: subprocess.Popen[bytes]) -> None:
        moment = time.monotonic()
        if moment < self._look_at:
            return
        self._look_at = moment + LOOK_S
        beats = self._pulse(process.pid)
        if beats or (beats is None and self._last_pulse is not None):
            self._last_pulse = moment
        elif self._last_pulse is not None and moment - self._last_pulse > SILENT_MAX_S:
            log.error("process.killed", child=self.name, reason="heartbeat_lost")
            process.kill()

    def ask_to_end(self) -> None:
        """SIGTERM; does not wait."""
        if self._process is not None and self._process.poll() is None:
            self._is_asked = True
            self._process.terminate()

    def end(self, grace_s: float, hurry: threading.Event | None = None) -> None:
        """SIGTERM, and SIGKILL if that does not do within ``grace_s``; a second SIGTERM once ``hurry`` is set."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        if not self._is_asked:
            self.ask_to_end()
        deadline, is_hurried = time.monotonic() + grace_s, False
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            if hurry is not None and hurry.is_set() and not is_hurried:
                is_hurried = True
                process.terminate()
        if process.poll() is None:
            log.error("process.killed", child=self.name, reason="stop_timeout")
            process.kill()
        process.wait()


class QueueWatch:
    """The embedded queue server, started again when it died or was silent for ``SILENT_MAX_S``."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.server = ensure_embedded(data_dir)
        self._look_at, self._answered = 0.0, time.monotonic()

    def look(self) -> None:
        """Look now and then. A start that fails is tried again; until then jobs wait on disk."""
        moment = time.monotonic()
        if moment < self._look_at:
            return
        self._look_at = moment + 1.0
        process = self.server.process
        is_dead = process is not None and process.poll() is not None
        if not is_dead and self.server.is_running():
            self._answered = moment
        if not is_dead and moment - self._answered < SILENT_MAX_S:
            return
        log.error("process.died", child="queue", exit=None if process is None else process.poll())
        try:
            self.server.stop()
            self.server = ensure_embedded(self._data_dir)
            self._answered = time.monotonic()
        except (SetupError, OSError) as error:
            log.error("process.start_failed", child="queue", reason=str(error))
            self._look_at = time.monotonic() + PAUSE_MAX_S
