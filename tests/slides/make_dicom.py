"""Writes small DICOM studies: slides whose pixels are known, and what lies beside them in an archive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    VLWholeSlideMicroscopyImageStorage,
    generate_uid,
)

from tests.slides.pixels import jpeg, shrunk

VOLUME, RESAMPLED = ("ORIGINAL", "PRIMARY", "VOLUME", "NONE"), ("DERIVED", "PRIMARY", "VOLUME", "RESAMPLED")
LABEL, OVERVIEW = ("ORIGINAL", "PRIMARY", "LABEL", "NONE"), ("ORIGINAL", "PRIMARY", "OVERVIEW", "NONE")
COMPREHENSIVE_3D_SR, SEGMENTATION = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.66.4"
PARAMETRIC_MAP, PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.30", "1.2.840.10008.5.1.4.1.1.11.1"
ANNOTATIONS, PDF = "1.2.840.10008.5.1.4.1.1.91.1", str(EncapsulatedPDFStorage)
TILE_PX = 256
Change = Callable[[Dataset], None]
"""Changes an instance before it is written."""


@dataclass(frozen=True)
class Study:
    """Whose slide it is. Everything that is made with the same one belongs to it."""

    accession: str = ""
    container: str = "Unknown"
    study_uid: str = field(default_factory=generate_uid)
    series_uid: str = field(default_factory=generate_uid)
    frame_of_reference_uid: str = field(default_factory=generate_uid)


def item(**elements: object) -> Dataset:
    """An item of a sequence."""
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def write_slide(
    folder: Path,
    pixels: NDArray[np.uint8],
    mpp: float,
    study: Study,
    levels: Sequence[int] = (1, 4),
    change: Change | None = None,
) -> list[Path]:
    """A series of one instance per level: uint8 [h, w, 3] RGB ``pixels``, JPEG; levels are block means."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_image(
            folder / f"level{n}.dcm", shrunk(pixels, n), mpp * n, study, VOLUME if n == 1 else RESAMPLED, change
        )
        for n in levels
    ]


def write_image(
    path: Path,
    pixels: NDArray[np.uint8],
    mpp: float,
    study: Study,
    image_type: Sequence[str] = VOLUME,
    change: Change | None = None,
) -> Path:
    """One VL Whole Slide Microscopy image, tiled, YCbCr 4:4:4 JPEG of quality 95."""
    ds = _dataset(str(VLWholeSlideMicroscopyImageStorage), study, JPEGBaseline8Bit)
    height, width = pixels.shape[:2]
    ds.SeriesInstanceUID, ds.Modality, ds.ImageType = study.series_uid, "SM", list(image_type)
    ds.FrameOfReferenceUID, ds.ContainerIdentifier = study.frame_of_reference_uid, study.container
    ds.TotalPixelMatrixColumns, ds.TotalPixelMatrixRows, ds.Rows, ds.Columns = width, height, TILE_PX, TILE_PX
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "YBR_FULL_422", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.DimensionOrganizationType, ds.TotalPixelMatrixFocalPlanes, ds.NumberOfOpticalPaths = "TILED_FULL", 1, 1
    ds.ImagedVolumeWidth, ds.ImagedVolumeHeight = width * mpp / 1000, height * mpp / 1000
    measures = item(PixelSpacing=[mpp / 1000, mpp / 1000], SliceThickness=0.001)
    ds.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[measures])]
    ds.OpticalPathSequence = [item(OpticalPathIdentifier="1", ObjectiveLensPower="20")]
    frames = [jpeg(tile, quality=95) for tile in _tiles(pixels)]
    ds.NumberOfFrames, ds.PixelData = len(frames), encapsulate(frames)
    ds["PixelData"].VR = "OB"
    return _save(ds, path, change)


def write_object(path: Path, sop_class: str, study: Study, change: Change | None = None) -> Path:
    """Something else of the same study, in a series of its own, that refers to the slide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds = _dataset(sop_class, study, ExplicitVRLittleEndian)
    ds.SeriesInstanceUID, ds.FrameOfReferenceUID = generate_uid(), study.frame_of_reference_uid
    ds.ReferencedSeriesSequence = [item(SeriesInstanceUID=study.series_uid)]
    ds.ContainerIdentifier = study.container
    return _save(ds, path, change)


def _dataset(sop_class: str, study: Study, syntax: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.file_meta.TransferSyntaxUID, ds.file_meta.ImplementationClassUID = syntax, generate_uid()
    ds.StudyInstanceUID, ds.AccessionNumber = study.study_uid, study.accession
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "DOE^JANE", "PID-4711", "19640812"
    ds.SeriesDescription, ds.SeriesNumber, ds.InstanceNumber = "HE", 1, 1
    return ds


def _save(ds: Dataset, path: Path, change: Change | None) -> Path:
    if change is not None:
        change(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def _tiles(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % TILE_PX), (0, -width % TILE_PX), (0, 0)), mode="edge")
    rows, columns = (range(0, side, TILE_PX) for side in padded.shape[:2])
    return [np.ascontiguousarray(padded[y : y + TILE_PX, x : x + TILE_PX]) for y in rows for x in columns]
