"""Threads for what blocks, by kind, with places that the holders of jobs share fairly.

A slow disk must not stop the polls, a hanging share must not stop uploads, and large pictures take memory.
"""

from app.jobs.intake.intake import PROBES
from app.system.places import Places

INTAKE = ARCHIVE = 64
DRAWINGS = 8
LISTS = 16


class Threads:
    """Belongs to one event loop. One key alone gets a quarter of each kind, its tenant a half (shares.py)."""

    def __init__(self) -> None:
        self.intake, self.archive = Places(INTAKE), Places(ARCHIVE)
        self.probes, self.archive_probes = Places(PROBES), Places(PROBES)
        self.drawing, self.lists = Places(DRAWINGS), Places(LISTS)
