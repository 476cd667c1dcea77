import dataclasses

import numpy as np
import pytest

from tests.results.make_result import make_result


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("features", np.zeros((11, 8), dtype=np.float32)),
        ("tissue_fractions", np.zeros(13, dtype=np.float32)),
        ("coords", np.zeros((12, 3), dtype=np.int64)),
        ("tissue_mask", np.zeros((3, 3), dtype=np.bool_)),
    ],
)
def test_rows_that_do_not_correspond_are_refused(field: str, value: np.ndarray) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(make_result(), **{field: value})


def test_a_map_of_another_number_of_tiles_is_refused() -> None:
    result = make_result()
    head = dataclasses.replace(result.heads[0], attention=np.ones((1, 11), dtype=np.float32))
    with pytest.raises(ValueError, match="attention of mil"):
        dataclasses.replace(result, heads=(head,))
