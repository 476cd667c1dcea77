"""How many jobs a worker works on at a time where nobody says."""

import pytest

from app.jobs.shared import jobs_for


@pytest.mark.parametrize(("cores", "jobs"), [(1, 2), (2, 2), (4, 2), (6, 3), (16, 8), (128, 8)])
def test_half_the_cores_read_and_two_jobs_are_the_least(cores: int, jobs: int) -> None:
    assert jobs_for(cores) == jobs
