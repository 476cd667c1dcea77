"""Valid DICOM slides of kinds that are not supported: each is called so, never damaged."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames

from app.errors import SlideCorruptError, SlideUnsupportedError
from app.slides.formats.opening import open_slide
from tests.slides.make_dicom import LABEL, OVERVIEW, Study, item, write_image, write_slide

PIXELS = np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)


def raw(syntax: str):
    def change(ds) -> None:
        ds.file_meta.TransferSyntaxUID, ds.PhotometricInterpretation = syntax, "RGB"
        ds.PixelData = bytes(3 * ds.Rows * ds.Columns * ds.NumberOfFrames)
        ds["PixelData"].is_undefined_length = False

    return change


def compressed(syntax: str):
    def change(ds) -> None:
        ds.file_meta.TransferSyntaxUID = syntax

    return change


def values(**values):
    def change(ds) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return change


def monochrome(ds) -> None:
    del ds.PlanarConfiguration
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"


def frames_twice(ds) -> None:
    """Each place has two frames, of two optical paths, which a header need not count."""
    frames = list(generate_frames(ds.PixelData, number_of_frames=ds.NumberOfFrames))
    del ds.NumberOfOpticalPaths
    ds.NumberOfFrames, ds.PixelData = 2 * len(frames), encapsulate(frames + frames)
    ds["PixelData"].VR = "OB"


def sparse_frames_twice(ds) -> None:
    frames_twice(ds)
    ds.DimensionOrganizationType = "TILED_SPARSE"
    places = [(x, y) for y in range(1, ds.TotalPixelMatrixRows, 256) for x in range(1, ds.TotalPixelMatrixColumns, 256)]
    ds.PerFrameFunctionalGroupsSequence = [
        item(
            OpticalPathIdentificationSequence=[item(OpticalPathIdentifier=path)],
            PlanePositionSlideSequence=[
                item(ColumnPositionInTotalImagePixelMatrix=x, RowPositionInTotalImagePixelMatrix=y)
            ],
        )
        for path in "12"
        for x, y in places
    ]


KINDS = {
    "implicit": (raw("1.2.840.10008.1.2"), "Implicit VR Little Endian"),
    "big-endian": (raw("1.2.840.10008.1.2.2"), "Explicit VR Big Endian"),
    "deflated": (raw("1.2.840.10008.1.2.1.99"), "Deflated"),
    "lossless JPEG": (compressed("1.2.840.10008.1.2.4.70"), "JPEG Lossless"),
    "JPEG-LS": (compressed("1.2.840.10008.1.2.4.80"), "JPEG-LS"),
    "HTJ2K": (compressed("1.2.840.10008.1.2.4.201"), "High-Throughput JPEG 2000"),
    "planes": (values(TotalPixelMatrixFocalPlanes=3), "3 focal planes"),
    "monochrome": (monochrome, "monochrome"),
    "16 bits": (values(BitsAllocated=16, BitsStored=16, HighBit=15), "16 bits"),
    "YBR_FULL": (values(PhotometricInterpretation="YBR_FULL"), "YBR_FULL with JPEG Baseline"),
    "organisation": (values(DimensionOrganizationType="3D"), "organised as 3D"),
    "optical paths": (values(NumberOfOpticalPaths=3), "3 optical paths"),
    "optical paths not counted": (frames_twice, "several frames of one place"),
    "the same, sparse": (sparse_frames_twice, "several frames of one place"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_named_with_what_to_convert_to(tmp_path, kind):
    change, name = KINDS[kind]
    write_slide(tmp_path, PIXELS, 0.5, Study(), change=change)
    for path in (tmp_path, tmp_path / "level1.dcm"):
        with pytest.raises(SlideUnsupportedError, match=f"{name}.*Convert"):
            open_slide(path)


def test_a_label_without_its_slide(tmp_path):
    study = Study()
    write_image(tmp_path / "a.dcm", PIXELS, 0.5, study, LABEL)
    with pytest.raises(SlideUnsupportedError, match="only a label"):
        open_slide(tmp_path)
    write_image(tmp_path / "b.dcm", PIXELS, 0.5, study, OVERVIEW)
    with pytest.raises(SlideUnsupportedError, match="only a label"):
        open_slide(tmp_path)


def test_a_level_twice(tmp_path):
    study = Study()
    for name in ("a.dcm", "b.dcm"):
        write_image(tmp_path / name, PIXELS, 0.5, study)
    with pytest.raises(SlideUnsupportedError, match="two images of one size"):
        open_slide(tmp_path)


def test_what_is_damaged_is_still_called_damaged(tmp_path):
    first, _ = write_slide(tmp_path, PIXELS, 0.5, Study(), change=lambda ds: ds.pop("SeriesInstanceUID"))
    with pytest.raises(SlideCorruptError):
        open_slide(first)
