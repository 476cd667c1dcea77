"""Many slides, one after the other: sent, then followed until the last of them is over."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

from app.client.display import Display
from app.client.retry import OutOfPatienceError
from app.client.service import Job, NotAllowedError, RefusedError, Service
from app.client.slide import ObjectName, Slide, shown, slide_id_of
from app.client.table import Row
from app.client.upload import address_key, content_key, submit, submit_object


@dataclass(frozen=True)
class Order:
    """The requested batch.

    ``fields``: those of POST /analyze; ``names``: file names become slide IDs; ``again``: a new job even for a slide
    that was sent before.
    """

    slides: tuple[Slide, ...]
    fields: dict[str, Any]
    wait: bool
    again: bool
    names: bool

    def fields_of(self, slide: Slide) -> dict[str, Any]:
        """The fields of one slide's request."""
        slide_id = slide_id_of(slide) if self.names else None
        return self.fields if slide_id is None else self.fields | {"slide_id": slide_id}


def run_batch(service: Service, order: Order, display: Display) -> list[Row]:
    """A row for each slide, in their order. NotAllowedError where the key opens nothing; no other error ends it."""
    rows: dict[int, Row] = {}
    jobs: dict[int, Job] = {}
    for number, slide in enumerate(order.slides):
        try:
            jobs[number] = _send(service, slide, order, display)
        except NotAllowedError:
            raise
        except RefusedError as error:
            rows[number] = Row(shown(slide), "", "refused", error.code, error.message)
        except OutOfPatienceError as error:
            rows[number] = Row(shown(slide), "", "unsent", "out_of_reach", f"The service cannot be reached: {error}.")
        except OSError as error:
            rows[number] = Row(shown(slide), "", "unsent", "unreadable", f"The file cannot be read: {error.strerror}.")
        if number in rows:
            display.over(rows[number])
    if order.wait:
        rows |= _follow(service, order, jobs, display)
    else:
        rows |= {
            number: Row(shown(order.slides[number]), job.id, job.state, job.code, job.message)
            for number, job in jobs.items()
        }
    return [rows[number] for number in range(len(order.slides))]


def _send(service: Service, slide: Slide, order: Order, display: Display) -> Job:
    fields = order.fields_of(slide)
    if isinstance(slide, ObjectName):
        key = str(uuid.uuid4()) if order.again else address_key(slide.address, fields)
        job = submit_object(service, slide.address, fields, key)
        display.following(slide, job)
        return job
    total = slide.stat().st_size
    display.sending(slide, 0, total)
    key = str(uuid.uuid4()) if order.again else content_key(slide, fields)
    job = submit(service, slide, fields, key, lambda sent: display.sending(slide, sent, total))
    display.following(slide, job)
    return job


def _follow(service: Service, order: Order, jobs: dict[int, Job], display: Display) -> dict[int, Row]:
    """Ask about each job as often as the service wants to be asked, until it is over."""
    rows: dict[int, Row] = {}
    while len(rows) < len(jobs):
        pause_s = 0.0
        for number in sorted(jobs.keys() - rows.keys()):
            slide = order.slides[number]
            try:
                job = service.job(jobs[number].id)
                display.following(slide, job)
                if not job.is_over:
                    pause_s = max(pause_s, job.again_after_s)
                    continue
                rows[number] = _row_of(service, slide, job)
            except (RefusedError, OutOfPatienceError) as error:
                code = error.code if isinstance(error, RefusedError) else "out_of_reach"
                rows[number] = Row(
                    shown(slide), jobs[number].id, "unknown", code, f"The job can no longer be followed: {error}."
                )
            display.over(rows[number])
        time.sleep(pause_s)
    return rows


def _row_of(service: Service, slide: Slide, job: Job) -> Row:
    """The row of a finished job, with its result if the key may read it."""
    result, message = service.result(job.id) if job.has_result else None, job.message
    if job.state == "succeeded" and result is None:
        message = "The key may not read results (scope read)."
    return Row(shown(slide), job.id, job.state, job.code, message, result)
