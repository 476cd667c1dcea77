"""Uploads in pieces: how many are kept, and whose."""

import pytest

from app.errors import QueueFullError
from app.jobs import uploads
from app.jobs.record import Holder
from app.jobs.uploads import UploadStore


def test_one_tenant_takes_half_of_the_places_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "UPLOADS_KEPT_MAX", 4)
    store = UploadStore(tmp_path / "uploads", keep_hours=1)
    first = store.create(Holder("a", "key:a"), 5, ".svs")
    store.create(Holder("a", "key:a"), 5, ".svs")
    with pytest.raises(QueueFullError, match="2 uploads are kept"):
        store.create(Holder("a", "key:a"), 5, ".svs")
    store.create(Holder("b", "key:b"), 5, ".svs")
    with pytest.raises(QueueFullError):
        store.create(Holder("a", "key:a"), 5, ".svs")
    store.create(Holder("b", "key:b"), 5, ".svs")
    with pytest.raises(QueueFullError, match="4 uploads are kept"):
        store.create(Holder("c", "key:c"), 5, ".svs")
    store.note_taken(first, "a-job")
    store.create(Holder("a", "key:a"), 5, ".svs")
