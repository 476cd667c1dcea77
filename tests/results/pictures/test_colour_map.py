import numpy as np

from app.results.pictures.colour_map import LOOKUP_TABLE, colours


def luminance(rgb: np.ndarray) -> np.ndarray:
    linear = np.where(rgb <= 10, rgb / 3294.6, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_table_is_256_rgb_from_viridis_dark_purple_to_yellow() -> None:
    assert LOOKUP_TABLE.shape == (256, 3)
    assert LOOKUP_TABLE.dtype == np.uint8
    assert LOOKUP_TABLE[0].tolist() == [68, 1, 84]
    assert LOOKUP_TABLE[255].tolist() == [253, 231, 37]
    assert np.abs(LOOKUP_TABLE[128].astype(int) - [33, 145, 140]).max() <= 5  # viridis' own middle


def test_more_attention_is_always_lighter_so_that_it_reads_in_grey_and_without_colour_vision() -> None:
    assert (np.diff(luminance(LOOKUP_TABLE[::5].astype(float))) > 0).all()


def test_percentiles_find_their_colour() -> None:
    found = colours(np.array([0, 100, 20], dtype=np.float32))
    assert found.tolist() == [LOOKUP_TABLE[0].tolist(), LOOKUP_TABLE[255].tolist(), LOOKUP_TABLE[51].tolist()]


def test_table_cannot_be_changed_by_accident() -> None:
    assert not LOOKUP_TABLE.flags.writeable
