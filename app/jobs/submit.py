"""From a slide and an order to an accepted job, by whichever way the slide comes.

Every step that blocks waits for the sender's turn, then runs in a thread (``Threads``).
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import structlog
from anyio import CancelScope

from app.access.audit import AuditLog, Event
from app.errors import (
    DigestMismatchError,
    EmptyUploadError,
    NoModelError,
    SourceChangedError,
    TaskNotFoundError,
    UploadNotFoundError,
)
from app.identity import identity_warnings
from app.inference.registry import ModelRegistry
from app.jobs.admission import Admission, too_large
from app.jobs.intake.intake import Intake
from app.jobs.intake.kept_slide import check_whole, link_slide
from app.jobs.intake.source import resolve_object, resolve_source
from app.jobs.intake.unpack import ReceivedFile
from app.jobs.intake.upload_folder import UploadFolder
from app.jobs.intake.uploads import Upload, UploadStore
from app.jobs.order import Order, Sender
from app.jobs.threads import Threads
from app.objects.store import ObjectStore
from app.records.record import JobFields, JobRequest, ObjectSource, Source, UploadSource, now
from app.records.store import JobStore
from app.settings import Settings
from app.slides.types import SlideInfo

log = structlog.stdlib.get_logger("xmag.api")
NO_MODEL = "No usable model in the server's models folder (XMAG_MODELS_DIR, XMAG_MODEL). Tell whoever runs it."


class Submissions:
    """Makes jobs. Belongs to one event loop. Raises the typed errors of the slide, the source and the order."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        *,
        admission: Admission,
        audit: AuditLog,
        intake: Intake,
        objects: ObjectStore,
        registry: ModelRegistry,
        threads: Threads,
        uploads: UploadStore,
    ) -> None:
        self._settings, self._store, self._admission, self._audit = settings, store, admission, audit
        self._intake, self._objects, self._registry = intake, objects, registry
        self._threads, self._uploads = threads, uploads

    def check(self, order: Order) -> None:
        """What can be told of an order without its slide: model, tasks, callback."""
        self._model_and_tasks(order)
        if order.callback_url is not None:
            self._intake.callbacks.check(order.callback_url)

    @asynccontextmanager
    async def folder(self, sender: Sender) -> AsyncIterator[UploadFolder]:
        """A folder for a slide. Closed also when the server ends, so that nothing half-done stays behind."""
        folder = await self._threads.intake.run(sender.holder, UploadFolder, self._store)
        try:
            yield folder
        finally:
            with CancelScope(shield=True):
                await self._threads.intake.run(sender.holder, folder.close)

    async def of_file(self, sender: Sender, order: Order, folder: UploadFolder, file: ReceivedFile) -> JobRequest:
        """The job of a slide that was received in ``folder``. Also DigestMismatchError."""
        if order.sha256 is not None and order.sha256.lower() != file.sha256:
            raise DigestMismatchError(f"The received bytes have another SHA-256 ({file.sha256}). Send it again.")
        threads, holder = self._threads, sender.holder
        path = await threads.intake.run(holder, self._intake.unpack, file)
        probe = await threads.probes.run(holder, self._intake.probe_received, path.resolve(), order.mpp)
        source = await threads.intake.run(holder, self._intake.uploaded, file, path, probe)
        return await self._accept(self._job(sender, order, source, probe.info, folder.job_id), sender, order)

    async def of_upload(self, sender: Sender, order: Order, upload_id: str) -> JobRequest:
        """The job of a finished upload in pieces. One that is refused stays, to be asked for again with other fields.

        Also UploadNotFoundError, UploadIncompleteError, UploadBusyError.
        """
        run, holder, uploads = self._threads.intake.run, sender.holder, self._uploads
        upload = await run(holder, uploads.find_any, upload_id, holder)
        with ExitStack() as undo:
            await run(holder, undo.enter_context, uploads.locked(upload))
            if upload.taken_by is not None:
                return await run(holder, self._once_more, sender, order, upload)
            async with self.folder(sender) as folder:
                file = await run(holder, uploads.link, upload, folder.slide_folder)
                try:
                    accepted = await self.of_file(sender, order, folder, file)
                except DigestMismatchError:  # what is kept would never be another
                    await run(holder, uploads.erase, upload)
                    raise
                await run(holder, uploads.note_taken, upload, accepted.id)
                return accepted

    async def of_path(self, sender: Sender, order: Order, path: str) -> JobRequest:
        """The job of a slide that is read in place."""
        self._admission.check_disk(0)
        source, info = await self._at(sender, order, path)
        return await self._accept_bare(sender, order, source, info)

    async def of_object(self, sender: Sender, order: Order, address: str) -> JobRequest:
        """The job of a slide in an object store, where it stays; it is opened only for the analysis."""
        self._admission.check_disk(0)
        source = await self._object(address)
        return await self._accept_bare(sender, order, source, None)

    async def again(self, sender: Sender, order: Order, before: JobRequest) -> JobRequest:
        """Another job for the slide of ``before``, for the same tenant.

        Also SlideGoneError, SlideMissingError, SourceChangedError.
        """
        self._admission.check_disk(0)
        run, holder = self._threads.intake.run, sender.holder
        async with self.folder(sender) as folder:
            source: Source = before.source
            info: SlideInfo | None = None
            if isinstance(source, UploadSource):
                path = await run(holder, link_slide, self._store, before, folder.slide_folder)
                probe = await self._threads.probes.run(holder, self._intake.probe_received, path, order.mpp)
                await run(holder, check_whole, before, probe.files)
                info = probe.info
            else:
                folder.slide_folder.rmdir()
                if isinstance(source, ObjectSource):
                    source = await self._object(source.object)
                else:
                    source, info = await self._at(sender, order, source.path)
                if source != before.source:
                    raise SourceChangedError("Another slide is there now. Send a new request for it.")
            job = self._job(sender, order, source, info, folder.job_id)
            job = job.model_copy(update={"tenant": before.tenant})  # an admin's own tenant has no right to the slide
            event = Event("job.rerun", sender.actor, before.id, before.tenant, job.id)
            await run(holder, self._audit.append, event)
            return await self._accept(job, sender, order, of=before.id)

    async def _at(self, sender: Sender, order: Order, path: str) -> tuple[Source, SlideInfo]:
        real = await self._threads.archive.run(sender.holder, resolve_source, path, self._settings)
        return await self._threads.archive_probes.run(sender.holder, self._intake.by_path, real, order.mpp)

    async def _object(self, text: str) -> ObjectSource:
        """An object as it is now."""
        address, limit_bytes = resolve_object(text, self._settings), self._settings.upload_max_bytes
        state = await self._objects.state(address)
        if state.size_bytes > limit_bytes:
            raise too_large(limit_bytes)
        if state.size_bytes == 0:
            raise EmptyUploadError("The object is empty. Send the request again when the object is complete.")
        self._admission.check_disk(state.size_bytes)
        return ObjectSource(object=str(address), size_bytes=state.size_bytes, etag=state.etag, version=state.version)

    def _job(self, sender: Sender, order: Order, source: Source, info: SlideInfo | None, job_id: str) -> JobRequest:
        """The record. IdentityConflictError if the header of a probed slide (``info``) contradicts the order."""
        model, tasks = self._model_and_tasks(order)
        if info is not None:  # differences that are mere warnings go into the result
            identity_warnings(order, info, self._settings.identity_conflict)
        return JobRequest(
            id=job_id,
            created_at=now(),
            source=source,
            model=model,
            tasks=tasks,
            named_tasks=tasks if order.tasks else (),
            tenant=sender.holder.tenant,
            owner=sender.holder.owner,
            request_id=sender.request_id,
            dicom=None if info is None else info.identity,
            **order.model_dump(include=set(JobFields.model_fields)),
        )

    def _model_and_tasks(self, order: Order) -> tuple[str, tuple[str, ...]]:
        try:
            name = self._registry.default(order.model, self._settings.model)
        except NoModelError as error:  # whose message names the folder
            log.error("model.none_usable", reason=error.message)
            raise NoModelError(NO_MODEL) from error
        known = tuple(head.task for head in self._registry.manifest(name).heads)
        tasks = tuple(dict.fromkeys(order.tasks or known))
        unknown = [task for task in tasks if task not in known]
        if unknown:
            raise TaskNotFoundError(f"Model {name} has no task {', '.join(unknown)}. Its tasks: {', '.join(known)}.")
        return name, tasks

    async def _accept(self, job: JobRequest, sender: Sender, order: Order, of: str = "") -> JobRequest:
        """Make the job durable and queue it. A repeated Idempotency-Key gives the job that it made before."""
        accepted = await self._threads.intake.run(
            sender.holder,
            self._intake.accept,
            job,
            sender.actor,
            sender.idempotency,
            f"{of}{order.fingerprint(job.source)}",
        )
        log.info("job.accepted", job=accepted.id, priority=accepted.priority)
        return accepted

    async def _accept_bare(self, sender: Sender, order: Order, source: Source, info: SlideInfo | None) -> JobRequest:
        """The same for a job without a slide of its own."""
        async with self.folder(sender) as folder:
            folder.slide_folder.rmdir()
            return await self._accept(self._job(sender, order, source, info, folder.job_id), sender, order)

    def _once_more(self, sender: Sender, order: Order, upload: Upload) -> JobRequest:
        """The job that an upload became, for the same order with the same Idempotency-Key. UploadNotFoundError else."""
        job_id = upload.taken_by or ""
        if sender.idempotency is not None and self._store.exists(job_id):
            job = self._store.request(job_id)
            if job.idempotency == sender.idempotency:
                self._intake.check_same(job, order.fingerprint(job.source))
                return job
        raise UploadNotFoundError("This upload became a job already. Send the slide again to analyse it once more.")
