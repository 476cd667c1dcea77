"""Files of a finished job."""

import pytest

from app.errors import ResultNotReadyError
from app.results.catalogue import OUTPUTS
from tests.api.answers import check_problem

AS_STORED = [one.name for one in OUTPUTS if one.is_sent_as_stored]


@pytest.fixture
def finished(api, tissue):
    return api.done(tissue)


@pytest.mark.parametrize("name", AS_STORED)
def test_a_file_that_the_result_lacks_is_a_typed_error(api, finished, name):
    (folder,) = (api.data_dir / "jobs" / finished).glob("attempt-*")
    assert api.http.get(f"/jobs/{finished}/{name}").content == (folder / name).read_bytes()
    (folder / name).unlink()
    answer = api.http.get(f"/jobs/{finished}/{name}")
    problem = check_problem(answer, ResultNotReadyError.status, ResultNotReadyError.code)
    assert name in problem["detail"]
