"""A worker on made-up surroundings."""

import pytest

from tests.jobs.worker.fakes import Bench


@pytest.fixture
def make_bench(tmp_path, monkeypatch):
    """Makes one by settings."""
    return lambda **settings: Bench(tmp_path, monkeypatch, **settings)


@pytest.fixture
def bench(make_bench):
    return make_bench()
