"""Progress on a terminal: the slide that is sent, the jobs that run, and how many slides are done with."""

from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.client.service import Job
from app.client.slide import Slide, shown
from app.client.table import Row, said

_NAME_MAX = 40


class Display:
    """Bars on a terminal, silence elsewhere."""

    def __init__(self, console: Console, slides: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[what]}"),
            TimeRemainingColumn(),
        )
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._all = self._bars.add_task("slides", total=slides, what=f"0/{slides}")
        self._slides = slides
        self._done = 0
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def sending(self, slide: Slide, sent: int, total: int) -> None:
        """``sent`` of ``total`` bytes."""
        what = f"{sent / 1e6:.0f}/{total / 1e6:.0f} MB sent"
        self._bars.update(self._task(slide), completed=sent, total=max(total, 1), what=what)

    def following(self, slide: Slide, job: Job) -> None:
        """A job's state: those that wait in the queue have no bar."""
        if job.state == "running":
            self._bars.update(self._task(slide), completed=job.fraction, total=1.0, what=job.stage)
        else:
            self._forget(shown(slide))

    def over(self, row: Row) -> None:
        """A slide is done with."""
        self._forget(row.file)
        self._done += 1
        self._bars.update(self._all, completed=self._done, what=f"{self._done}/{self._slides}")
        if self._bars.console.is_terminal:
            self._bars.console.print(
                f"{row.state:<10} {Path(row.file).name}  {said(row)}", markup=False, highlight=False
            )

    def _task(self, slide: Slide) -> TaskID:
        name = shown(slide)
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(_short(name.rpartition("/")[2]), total=1.0, what="")
        return self._tasks[name]

    def _forget(self, slide: str) -> None:
        task = self._tasks.pop(slide, None)
        if task is not None:
            self._bars.remove_task(task)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_MAX else f"{name[: _NAME_MAX - 1]}…"
