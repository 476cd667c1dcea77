"""Reads DICOM headers with pydicom, in reader processes only.

Pixels are never read, and only the header tags in ``_TAGS``: not the patient's name and id.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom import config
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    VLWholeSlideMicroscopyImageStorage,
)

from app.errors import SlideCorruptError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.files import DICOM_HEAD_BYTES, begins_as_dicom, has_preamble
from app.slides.identity import ISSUER_MAX_CHARS, SPECIMENS_MAX, DicomIdentity, Specimen, is_identifier

HEADER_MAX_BYTES = 32 * 2**20
"""Longest header before its list of frames. Real ones have less than 20 MB, with profiles and private elements."""
_META_END = 0x0002FFFF
"""File meta information (PS3.10, 7.1): group 2, always in explicit little endian."""
_LAST_TAG = 0x52009229
"""Shared Functional Groups; the next element has a record for each of up to a million frames."""
_TAGS = tuple(
    cast(int, tag_for_keyword(keyword))
    for keyword in (
        "ImageType",
        "SOPClassUID",
        "AccessionNumber",
        "IssuerOfAccessionNumberSequence",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "DimensionOrganizationType",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "ContainerIdentifier",
        "IssuerOfTheContainerIdentifierSequence",
        "SpecimenDescriptionSequence",
        "TotalPixelMatrixColumns",
        "TotalPixelMatrixRows",
        "NumberOfOpticalPaths",
        "TotalPixelMatrixFocalPlanes",
        "SharedFunctionalGroupsSequence",
    )
)
_FILLERS = frozenset({"unknown", "none", "null", "n/a", "unspecified", "anonymous", "anonymized"})
"""Fillers that writers use for a required value that they do not have."""
_UNREADABLE = (
    BytesLengthException,
    struct.error,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    NotImplementedError,
    RecursionError,
)
"""Errors from damaged or hostile headers."""

config.settings.reading_validation_mode = config.IGNORE  # a warning would quote the value


@dataclass(frozen=True)
class DicomHeader:
    """One DICOM file. Sizes in px; a missing or invalid value is None.

    ``width`` and ``height``: of the total pixel matrix. ``tile_width`` and ``tile_height``: of one frame.
    ``organization``: TILED_FULL (all frames present, row by row) or TILED_SPARSE.
    ``pixel_spacing_mm``: between the centres of pixels, (down a column, along a row), of the shared functional groups.
    ``focal_planes``, ``optical_paths``: 1 if not stated.
    ``has_preamble``: OpenSlide reads no file without it.
    For a file that is not a slide image, or is deflated, fields from ``image_type`` on are not read.
    """

    path: Path
    sop_class_uid: str
    transfer_syntax_uid: str
    has_preamble: bool
    image_type: tuple[str, ...] = ()
    photometric: str | None = None
    samples_per_pixel: int | None = None
    bits_allocated: int | None = None
    bits_stored: int | None = None
    width: int | None = None
    height: int | None = None
    tile_width: int | None = None
    tile_height: int | None = None
    frames: int | None = None
    organization: str | None = None
    focal_planes: int = 1
    optical_paths: int = 1
    pixel_spacing_mm: tuple[float, float] | None = None
    identity: DicomIdentity | None = None

    @property
    def is_slide_image(self) -> bool:
        """Whether it is a VL Whole Slide Microscopy image: a level, or a label, overview or thumbnail."""
        return self.sop_class_uid == VLWholeSlideMicroscopyImageStorage

    @property
    def is_volume(self) -> bool:
        """Whether it is a level of the pyramid, by the third value of Image Type (PS3.3 C.8.12.4.1.1)."""
        return self.is_slide_image and self.image_type[2:3] == ("VOLUME",)

    @property
    def series_uid(self) -> str | None:
        """Series Instance UID."""
        return None if self.identity is None else self.identity.series_uid

    @property
    def kind(self) -> str:
        """The kind of file, in the standard's words."""
        return UID(self.sop_class_uid or "").name


def read_headers(files: Iterable[Path]) -> list[DicomHeader]:
    """The headers of those ``files`` that are DICOM. Raises SlideCorruptError, OSError."""
    found = (read_header(path) for path in files)
    return [header for header in found if header is not None]


def read_header(path: Path) -> DicomHeader | None:
    """The header of the file at ``path``; None if it is not a DICOM file.

    Raises SlideCorruptError if a header is unreadable or longer than any real one; OSError.
    """
    with path.open("rb") as file:
        try:
            return _parsed(path, file)
        except _UNREADABLE as error:
            raise _unreadable() from error
        except OSError as error:
            if error.errno is None:  # pydicom's own, of a header that ends early
                raise _unreadable() from error
            raise


def _unreadable() -> SlideCorruptError:
    return SlideCorruptError(sentences.DICOM_HEADER)


def _parsed(path: Path, file: BinaryIO) -> DicomHeader | None:
    head = file.read(DICOM_HEAD_BYTES)
    if not begins_as_dicom(head):
        return None
    if not has_preamble(head):
        file.seek(0)
    bounded = cast(BinaryIO, _Bounded(file))
    meta = read_dataset(bounded, False, True, stop_when=lambda tag, _vr, _length: tag > _META_END)
    sop_class, syntax = (str(meta.get(name, "")) for name in ("MediaStorageSOPClassUID", "TransferSyntaxUID"))
    if not sop_class:
        raise ValueError("no SOP class")
    if sop_class != VLWholeSlideMicroscopyImageStorage or syntax == DeflatedExplicitVRLittleEndian:
        return DicomHeader(path, sop_class, syntax, has_preamble(head))
    ds = read_dataset(
        bounded,
        syntax == ImplicitVRLittleEndian,
        syntax != ExplicitVRBigEndian,
        stop_when=lambda tag, _vr, _length: tag > _LAST_TAG,
        specific_tags=[*_TAGS],
    )
    return DicomHeader(
        path=path,
        sop_class_uid=sop_class,
        transfer_syntax_uid=syntax,
        has_preamble=has_preamble(head),
        image_type=tuple(str(part).strip() for part in _values(ds.get("ImageType"))),
        photometric=_text(ds, "PhotometricInterpretation"),
        samples_per_pixel=_count(ds, "SamplesPerPixel"),
        bits_allocated=_count(ds, "BitsAllocated"),
        bits_stored=_count(ds, "BitsStored"),
        width=_count(ds, "TotalPixelMatrixColumns"),
        height=_count(ds, "TotalPixelMatrixRows"),
        tile_width=_count(ds, "Columns"),
        tile_height=_count(ds, "Rows"),
        frames=_count(ds, "NumberOfFrames"),
        organization=_text(ds, "DimensionOrganizationType"),
        focal_planes=_count(ds, "TotalPixelMatrixFocalPlanes") or 1,
        optical_paths=_count(ds, "NumberOfOpticalPaths") or 1,
        pixel_spacing_mm=_pixel_spacing(ds),
        identity=_identity(ds),
    )


class _Bounded:
    """A file that is read up to the length of a header; skipped parts do not count."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, HEADER_MAX_BYTES
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._left:
            raise ValueError("longer than a header")
        self._left -= size
        return self._file.read(size)


def _identity(ds: Dataset) -> DicomIdentity:
    specimens = (Specimen(_name(item, "SpecimenIdentifier"), _text(item, "SpecimenUID")) for item in _specimens(ds))
    return DicomIdentity(
        study_uid=_text(ds, "StudyInstanceUID"),
        series_uid=_text(ds, "SeriesInstanceUID"),
        frame_of_reference_uid=_text(ds, "FrameOfReferenceUID"),
        accession=_name(ds, "AccessionNumber"),
        accession_issuer=_issuer(ds, "IssuerOfAccessionNumberSequence"),
        container=_name(ds, "ContainerIdentifier"),
        container_issuer=_issuer(ds, "IssuerOfTheContainerIdentifierSequence"),
        specimens=tuple(specimens),
    )


def _specimens(ds: Dataset) -> Sequence[Dataset]:
    return (ds.get("SpecimenDescriptionSequence") or [])[:SPECIMENS_MAX]


def _issuer(ds: Dataset, keyword: str) -> str | None:
    """A hierarchic designator (HL7 v2.5, 2.A.33) in its usual writing: ``namespace&universal id&type``."""
    items = ds.get(keyword)
    if not items:
        return None
    names = ("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType")
    text = "&".join(_text(items[0], name) or "" for name in names).rstrip("&")
    return text if is_identifier(text, ISSUER_MAX_CHARS) else None


def _pixel_spacing(ds: Dataset) -> tuple[float, float] | None:
    for groups in ds.get("SharedFunctionalGroupsSequence") or []:
        for measures in groups.get("PixelMeasuresSequence") or []:
            spacing = _values(measures.get("PixelSpacing"))
            if len(spacing) == 2 and all(0 < float(value) < 1 for value in spacing):
                return float(spacing[0]), float(spacing[1])
    return None


def _name(ds: Dataset, keyword: str) -> str | None:
    """An identifier given by a person or a laboratory system; None for a filler."""
    text = _text(ds, keyword)
    return None if text is None or text.lower() in _FILLERS else text


def _text(ds: Dataset, keyword: str) -> str | None:
    """A trimmed identifier; None if it is empty, has several values or is invalid."""
    value = ds.get(keyword)
    text = "" if value is None or isinstance(value, MultiValue) else str(value).strip(" \0")
    return text if is_identifier(text) else None


def _count(ds: Dataset, keyword: str) -> int | None:
    value = ds.get(keyword)
    return int(value) if value is not None and not isinstance(value, MultiValue) and int(value) > 0 else None


def _values(value: object) -> Sequence[Any]:
    """One or more values as a sequence."""
    return [] if value is None else value if isinstance(value, MultiValue) else [value]
