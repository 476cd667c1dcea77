"""Readers on a kernel that seems to have no Landlock: real ones, whose slides and errors are as ever."""

import numpy as np
import pytest

from app.errors import NotASlideError, SlideError, SourceChangedError
from app.slides.sandbox import fork_server, reader_process
from app.slides.sandbox.confinement import Confined
from app.slides.sandbox.reader import SlideReader
from app.slides.types import Extent, ReadingPlan
from tests.slides.formats.test_index_file import jpeg, mirax
from tests.slides.make_dicom import Study, write_slide
from tests.slides.make_slide import he_like, write_svs

PACKAGE_ROOT = fork_server._PACKAGE_ROOT
PIXELS = he_like(700, 900, 0.5, [(0.1, 0.1, 0.9, 0.9)])
NO_LANDLOCK = "from app.slides.sandbox import landlock\nlandlock._version = lambda: 0\n"
NO_NAMESPACE = "from app.slides.sandbox import confinement\nconfinement.own_namespace = lambda: False\n"
NO_CHECK = "from app.slides.formats import index_file\nindex_file._checked = lambda *_: []\n"
"""As if a decoder opened what no check of the index had seen."""


@pytest.fixture
def reader_on(tmp_path, monkeypatch):
    """a reader of a fork server that runs this code first."""
    made = []

    def make(*code: str) -> SlideReader:
        place = tmp_path / f"start{len(made)}"
        place.mkdir()
        (place / "sitecustomize.py").write_text("".join(code))
        monkeypatch.setattr(fork_server, "_PACKAGE_ROOT", f"{place}:{PACKAGE_ROOT}")
        monkeypatch.setattr(reader_process, "FORK_SERVER", forks := fork_server.ForkServer())
        made.extend([reader := SlideReader(), forks])
        return reader

    yield make
    for each in made:
        each.close()


@pytest.fixture
def shut_in(reader_on, tmp_path):
    """A reader in a mount namespace of its own."""
    reader = reader_on(NO_LANDLOCK)
    (tmp_path / "probe").write_text("text")
    with pytest.raises(NotASlideError):
        reader.open(tmp_path / "probe")
    if not reader.confined().reading:
        pytest.skip("neither user nor mount namespaces are allowed here")
    return reader


def seen(reader, slide):
    info = reader.open(slide)
    survey = reader.survey(ReadingPlan(tile_px=112))
    tiles = [batch.tiles.copy() for batch in reader.tiles(4)]
    region = reader.region(Extent(0, 0, info.width, info.height), (200, 150))
    return info, reader.files, [survey.thumbnail.copy(), survey.tissue_mask, survey.coords, *tiles, region]


@pytest.mark.parametrize("kind", ["svs", "dicom", "dicom with a link", "mirax"])
def test_slides_are_read_as_with_landlock(shut_in, tmp_path, kind):
    folder = tmp_path / "slides"
    folder.mkdir()
    if kind == "svs":
        slide = write_svs(folder / "s.svs", PIXELS, 0.5)
    elif kind.startswith("dicom"):
        write_slide(folder, PIXELS, 0.5, Study())
        slide = folder
        if kind == "dicom with a link":
            first = min(folder.iterdir())
            first.rename(folder / "moved")
            first.symlink_to(folder / "moved")
            slide = first.with_name("moved")
    else:
        slide = mirax(folder, b"Data0000.dat")
        (folder / "x" / "Data0000.dat").write_bytes(jpeg())
    with SlideReader() as usual:
        if kind == "mirax":
            assert shut_in.open(slide) == usual.open(slide) and shut_in.files == usual.files
        else:
            (info, files, arrays), (usual_info, usual_files, usual_arrays) = seen(shut_in, slide), seen(usual, slide)
            assert (info, files) == (usual_info, usual_files)
            assert all(np.array_equal(*pair) for pair in zip(arrays, usual_arrays, strict=True))
    assert shut_in.confined() == Confined(True, True, True, True)


def test_a_file_that_an_index_names_elsewhere_cannot_be_opened(shut_in, reader_on, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    slide = mirax(tmp_path / "slides", b"../../secret.jpg")
    with reader_on(NO_LANDLOCK, NO_NAMESPACE, NO_CHECK) as open_to_all:
        open_to_all.open(slide)
        shown = open_to_all.region(Extent(0, 0, 64, 64), (64, 64))
        assert not open_to_all.confined().reading and (shown < 250).any()
    with reader_on(NO_LANDLOCK, NO_CHECK) as reader, pytest.raises(SlideError):
        reader.open(slide)
        reader.region(Extent(0, 0, 64, 64), (64, 64))


def test_a_link_in_the_path_is_refused_as_ever(shut_in, tmp_path):
    slide = write_svs(tmp_path / "s.svs", PIXELS, 0.5)
    (tmp_path / "link.svs").symlink_to(slide)
    with pytest.raises(SourceChangedError):
        shut_in.open(tmp_path / "link.svs")
    assert shut_in.open(slide).width == 900
