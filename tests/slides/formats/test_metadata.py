import pytest

from app.errors import MppImplausibleError, MppMissingError, ResolutionTooLowError
from app.slides.formats.metadata import read_background, read_bounds, resolve_mpp
from app.slides.types import Bounds


def properties(mpp_x: object = None, mpp_y: object = None, power: object = None) -> dict[str, str]:
    given = {"openslide.mpp-x": mpp_x, "openslide.mpp-y": mpp_y, "openslide.objective-power": power}
    return {name: str(value) for name, value in given.items() if value is not None}


def test_the_request_comes_before_the_file_and_the_file_before_the_objective():
    everything = properties(0.263, 0.264, 40)
    assert resolve_mpp(everything, 0.5) == (0.5, 0.5, "request")
    assert resolve_mpp(everything, None) == (0.263, 0.264, "file")
    assert resolve_mpp(properties(power=40), None) == (0.25, 0.25, "objective_power")


def test_a_request_repairs_a_bogus_file():
    assert resolve_mpp(properties(1000, 1000), 0.25) == (0.25, 0.25, "request")


@pytest.mark.parametrize(
    "mpp", ["nan", "inf", "-inf", "-0.25", "0", "1e300", "1000", "0.05", "0.0799", "5.01", "abc", ""]
)
def test_bogus_numbers_in_the_file_are_refused_and_not_replaced(mpp: str):
    with pytest.raises(MppImplausibleError, match="as mpp"):
        resolve_mpp(properties(mpp, mpp, 40), None)


@pytest.mark.parametrize("mpp", [float("nan"), float("inf"), -1.0, 0.0, 1000.0])
def test_bogus_numbers_in_the_request_are_refused(mpp: float):
    with pytest.raises(MppImplausibleError, match="the request"):
        resolve_mpp(properties(0.25, 0.25), mpp)


@pytest.mark.parametrize(("mpp_y", "accepted"), [(0.2549, True), (0.2551, False), (0.2455, True), (0.2449, False)])
def test_x_and_y_may_differ_by_two_percent(mpp_y: float, accepted: bool):
    if accepted:
        assert resolve_mpp(properties(0.25, mpp_y), None) == (0.25, mpp_y, "file")
    else:
        with pytest.raises(MppImplausibleError, match="apart"):
            resolve_mpp(properties(0.25, mpp_y), None)


def test_a_scan_coarser_than_five_x_can_bear_is_refused():
    assert resolve_mpp(properties(2.12, 2.12), None)[0] == 2.12
    with pytest.raises(ResolutionTooLowError, match="higher magnification"):
        resolve_mpp(properties(2.13, 2.13), None)


@pytest.mark.parametrize("power", [None, "nan", "0", "-20", "twenty"])
def test_nothing_known_is_missing_and_says_what_to_send(power: str | None):
    with pytest.raises(MppMissingError, match="as mpp"):
        resolve_mpp(properties(power=power), None)


def test_background_colour():
    assert read_background({"openslide.background-color": "F0E8FF"}) == (240, 232, 255)
    assert read_background({}) == (255, 255, 255)
    assert read_background({"openslide.background-color": "zz"}) == (255, 255, 255)


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        (("10", "20", "300", "400"), Bounds(10, 20, 300, 400)),
        (("10", "20", "991", "400"), None),
        (("-1", "20", "300", "400"), None),
        (("10", "20", "0", "400"), None),
        (("nan", "20", "300", "400"), None),
    ],
)
def test_bounds_are_kept_only_where_they_lie_on_the_slide(given: tuple[str, ...], bounds: Bounds | None):
    names = ("x", "y", "width", "height")
    said = {f"openslide.bounds-{name}": value for name, value in zip(names, given, strict=True)}
    assert read_bounds(said, 1000, 1000) == bounds


def test_a_dicom_slide_whose_spacing_is_not_found_is_not_given_that_of_its_objective():
    dicom = {"openslide.vendor": "dicom"}
    with pytest.raises(MppMissingError, match=r"Pixel Spacing.*as mpp"):
        resolve_mpp({**properties(power=20), **dicom}, None)
    assert resolve_mpp({**properties(power=20), **dicom}, 0.25) == (0.25, 0.25, "request")
    assert resolve_mpp({**properties(0.25, 0.25, 20), **dicom}, None) == (0.25, 0.25, "file")
