"""What the settings come to for the rooms that do not know them."""

from app.settings import Settings
from app.slides.formats.archive.archive import ArchiveLimits
from app.slides.sandbox.reader import ReaderLimits


def reader_limits(settings: Settings) -> ReaderLimits:
    """What a reader process may take."""
    return ReaderLimits(memory_bytes=settings.reader_memory_bytes, cpu_s=settings.reader_cpu_s)


def archive_limits(settings: Settings) -> ArchiveLimits:
    """What a zip may unpack to on the disk of the service."""
    return ArchiveLimits(total_bytes=settings.upload_max_bytes, free_bytes=settings.disk_free_min_bytes)
