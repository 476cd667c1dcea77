import random
import struct
import time
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, VLWholeSlideMicroscopyImageStorage

from app.errors import SlideCorruptError
from app.slides.formats.dicom import dicom_headers
from app.slides.formats.dicom.dicom_headers import read_header
from app.slides.identity import DicomIdentity, Specimen
from tests.slides.make_dicom import COMPREHENSIVE_3D_SR, LABEL, Study, item, write_image, write_object

PIXELS = np.full((300, 500, 3), 200, np.uint8)
STUDY = Study("S26-001234", "S26-001234-A1")


def image(tmp_path, change=None, study=STUDY, image_type=("ORIGINAL", "PRIMARY", "VOLUME", "NONE")):
    return write_image(tmp_path / "i.dcm", PIXELS, 0.5, study, image_type, change)


def with_header(tmp_path, elements: bytes):
    """A slide image whose data set is ``elements``, in explicit little endian, without pixels."""
    data = image(tmp_path).read_bytes()
    start = 132 + 12 + struct.unpack_from("<I", data, 132 + 8)[0]  # after the file meta information
    path = tmp_path / "made.dcm"
    path.write_bytes(data[:start] + elements)
    return path


def test_what_a_slides_image_says_of_itself(tmp_path):
    def more(ds):
        issuer = item(LocalNamespaceEntityID="LIS", UniversalEntityID="1.2.3", UniversalEntityIDType="ISO")
        ds.IssuerOfAccessionNumberSequence = [issuer]
        ds.IssuerOfTheContainerIdentifierSequence = [item(LocalNamespaceEntityID="LAB")]
        ds.SpecimenDescriptionSequence = [item(SpecimenIdentifier="S26-001234-A", SpecimenUID="1.2.3.4")]

    header = read_header(image(tmp_path, more))
    assert header is not None
    assert header.is_slide_image
    assert header.is_volume
    assert (header.width, header.height, header.tile_width, header.tile_height, header.frames) == (
        500,
        300,
        256,
        256,
        4,
    )
    assert (header.focal_planes, header.optical_paths, header.samples_per_pixel) == (1, 1, 3)
    assert (header.photometric, header.bits_allocated, header.bits_stored) == ("YBR_FULL_422", 8, 8)
    assert header.pixel_spacing_mm == (0.0005, 0.0005)
    assert header.transfer_syntax_uid == "1.2.840.10008.1.2.4.50"
    assert header.identity == DicomIdentity(
        study_uid=STUDY.study_uid,
        series_uid=STUDY.series_uid,
        frame_of_reference_uid=STUDY.frame_of_reference_uid,
        accession="S26-001234",
        accession_issuer="LIS&1.2.3&ISO",
        container="S26-001234-A1",
        container_issuer="LAB",
        specimens=(Specimen("S26-001234-A", "1.2.3.4"),),
    )


def test_the_patient_is_not_among_it(tmp_path):
    assert "DOE" not in repr(read_header(image(tmp_path)))
    assert "PID-4711" not in repr(read_header(image(tmp_path)))


def test_only_the_top_level_counts(tmp_path):
    def refer(ds):
        other = item(SeriesInstanceUID="9.9", AccessionNumber="OTHER", ContainerIdentifier="OTHER")
        ds.ReferencedSeriesSequence = [other]
        ds.ReferencedSeriesSequence.is_undefined_length = True
        ds.add_new(0x00090010, "LO", "MAKER")
        ds.add_new(0x00091001, "OB", b"\x20\x00\x0e\x00UI\x04\x009.8\0" * 10_000)  # looks like a Series Instance UID

    header = read_header(image(tmp_path, refer))
    assert header is not None
    assert header.identity is not None
    assert (header.identity.series_uid, header.identity.accession, header.identity.container) == (
        STUDY.series_uid,
        STUDY.accession,
        STUDY.container,
    )


@pytest.mark.parametrize(
    ("accession", "read"),
    [
        (" S1 ", "S1"),
        ("", None),
        ("Unknown", None),
        ("S1\\S2", None),
        ("S" * 65, None),
        ("Fä-1", "Fä-1"),
        ("S\u202e1", None),
    ],
)
def test_an_accession_number_is_one_or_none(tmp_path, accession, read):
    def name(ds):
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.add_new(0x00080050, "LO", accession.split("\\") if "\\" in accession else accession)

    header = read_header(image(tmp_path, name))
    assert header is not None
    assert header.identity is not None
    assert header.identity.accession == read


def test_a_label_is_no_level_and_other_objects_no_slide(tmp_path):
    label = read_header(image(tmp_path, image_type=LABEL))
    assert label is not None
    assert label.is_slide_image
    assert not label.is_volume
    report = read_header(write_object(tmp_path / "sr.dcm", COMPREHENSIVE_3D_SR, STUDY))
    assert report is not None
    assert not report.is_slide_image
    assert report.kind == "Comprehensive 3D SR Storage"
    (tmp_path / "notes").write_text("DICM, but no DICOM")
    assert read_header(tmp_path / "notes") is None


def test_implicit_and_no_preamble(tmp_path):
    implicit = Dataset.from_json({"00080050": {"vr": "SH", "Value": ["S1"]}, "00480006": {"vr": "UL", "Value": [7]}})
    implicit.file_meta = file_meta = read_meta(image(tmp_path))
    file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    implicit.SOPClassUID, implicit.SOPInstanceUID = VLWholeSlideMicroscopyImageStorage, "1.2"
    implicit.save_as(tmp_path / "implicit.dcm", enforce_file_format=True)
    header = read_header(tmp_path / "implicit.dcm")
    assert header is not None
    assert header.identity is not None
    assert (header.identity.accession, header.width) == ("S1", 7)
    (tmp_path / "bare.dcm").write_bytes(image(tmp_path).read_bytes()[132:])
    bare = read_header(tmp_path / "bare.dcm")
    assert bare is not None
    assert (bare.width, bare.has_preamble) == (500, False)


def read_meta(path):
    from pydicom import dcmread  # noqa: PLC0415

    return dcmread(path, stop_before_pixels=True).file_meta


def test_a_deflated_data_set_is_not_inflated(tmp_path):
    path = image(tmp_path)
    data = path.read_bytes()
    start = 132 + 12 + struct.unpack_from("<I", data, 132 + 8)[0]
    old, new = b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.1.99"
    assert len(old) == len(new)
    bomb = zlib.compress(bytes(200_000_000))[2:]
    path.write_bytes(data[:start].replace(old, new) + bomb)
    tracemalloc.start()
    header = read_header(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert header is not None
    assert header.transfer_syntax_uid == DeflatedExplicitVRLittleEndian
    assert header.is_slide_image
    assert header.identity is None
    assert peak_bytes < 5_000_000


def sequence(inside: bytes) -> bytes:
    """An item of a sequence, both of undefined length, as a private element."""
    start = struct.pack("<HH2sHI", 0x0009, 0x1001, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return start + inside + struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)


def test_hostile_headers_end_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_headers, "HEADER_MAX_BYTES", 2**20)
    deep = b""
    for _ in range(5000):
        deep = (
            struct.pack("<HH2sHI", 9, 0x1001, b"SQ", 0, 0xFFFFFFFF)
            + struct.pack("<HHI", 0xFFFE, 0xE000, 2**32 - 1)
            + deep
        )
    empty = struct.pack("<HH2sH", 0x0009, 0x1002, b"LO", 0)
    cases = {
        "deep": deep,
        "many": sequence(empty * 140_000),
        "endless": struct.pack("<HH2sHI", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFF) + b"\1" * 2_000_000,
        "long": struct.pack("<HH2sHI", 0x0008, 0x0050, b"UT", 0, 2**31) + b"\1" * 1000,
    }
    for elements in cases.values():
        begun_s = time.process_time()
        with pytest.raises(SlideCorruptError, match="cannot be read"):
            read_header(with_header(tmp_path, elements))
        assert time.process_time() - begun_s < 2


def test_whatever_is_damaged_the_error_is_typed(tmp_path):
    def more(ds):
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.IssuerOfAccessionNumberSequence = [item(LocalNamespaceEntityID="LIS")]
        ds.SpecimenDescriptionSequence = [item(SpecimenIdentifier="A", SpecimenUID="1.2.3.4")]

    path = image(tmp_path, more)
    data = path.read_bytes()
    header, rng, refused = data[: data.index(b"\xe0\x7f\x10\0")], random.Random(1), 0
    for _ in range(600):
        damaged, at = bytearray(header), rng.randrange(128, len(header))
        damaged[at : at + 4] = rng.choice([b"\xff" * 4, b"SQ\0\0", b"UN\0\0", bytes(4), b"AT\2\0", rng.randbytes(4)])
        path.write_bytes(damaged[: rng.choice([None, at + 4, at + 9])])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read_header(path)
            except SlideCorruptError:
                refused += 1
    assert refused > 40


def test_a_truncated_header_says_what_is_left(tmp_path):
    path = image(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    header = read_header(path)
    assert header is not None
    assert header.width is None
