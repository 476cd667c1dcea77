"""Uploads in pieces: how many are kept, and whose."""

import pytest

from app.errors import QueueFullError
from app.jobs.intake import uploads
from app.jobs.intake.uploads import UploadStore
from app.records.record import Holder


def test_what_one_key_keeps_leaves_places_to_others(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "UPLOADS_KEPT_MAX", 8)
    store = UploadStore(tmp_path / "uploads", keep_hours=1)
    first, second, other = Holder("a", "1"), Holder("a", "2"), Holder("b", "1")

    def begin(holder, count=1):
        return [store.create(holder, 5, ".svs") for _ in range(count)]

    kept = begin(first, 2)
    for _ in range(2):  # the second time as a process that has just started
        with pytest.raises(QueueFullError):
            begin(first)
        store = UploadStore(tmp_path / "uploads", keep_hours=1)
    store.note_taken(kept[0], "a-job")
    begin(first)
    store.erase(kept[1])
    begin(first)
    begin(second)
    begin(other, 2)
