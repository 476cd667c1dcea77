"""The parent believes nothing: whatever a taken-over decoder sends is refused or harmless."""

import dataclasses
import json
import socket
import threading

import numpy as np
import pytest

from app.errors import InternalError, SlideCorruptError, SlideError, SlideUnsupportedError, StorageUnavailableError
from app.slides.identity import DicomIdentity, Specimen
from app.slides.sandbox.channel import (
    LINE_MAX_BYTES,
    Channel,
    ChannelClosedError,
    ChannelGarbledError,
    ChannelTimeoutError,
)
from app.slides.sandbox.protocol import (
    error_from_json,
    files_from_json,
    files_to_json,
    info_from_json,
    info_to_json,
    sharpness_from_json,
    survey_from_memory,
    survey_layout,
    survey_to_json,
)
from app.slides.sandbox.shared_memory import SharedMemory
from app.slides.tiles.grid import make_grid
from app.slides.types import DARK, PEN, Bounds, Level, SlideInfo, SlideQc, Survey

LEVEL = {"number": 0, "width": 5000, "height": 4000, "downsample": 1.0}
INFO = SlideInfo(
    vendor="aperio",
    width=5000,
    height=4000,
    mpp=0.25,
    mpp_x=0.25,
    mpp_y=0.25,
    mpp_source="file",
    objective_power=None,
    levels=(Level(0, 5000, 4000, 1.0), Level(2, 1250, 1000, 4.0)),
    background=(1, 2, 3),
    bounds=Bounds(1, 2, 30, 40),
)


DICOM = DicomIdentity("1.1", "1.2", None, "S26-1", "LIS&1.2&ISO", "S26-1-A1", None, (Specimen("S26-1-A", "1.3"),))
WARNING = "part_left_out: the file contains 3 time points; only the first was analysed."


def over_the_wire(message):
    return json.loads(json.dumps(message))


def test_a_slides_record_survives_the_way():
    assert info_from_json(over_the_wire(info_to_json(INFO))) == INFO
    plain = dataclasses.replace(INFO, bounds=None, objective_power=40.0, identity=DICOM, barcode="S26-1-A1")
    assert info_from_json(over_the_wire(info_to_json(plain))) == plain


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vendor", 3),
        ("vendor", "Erika Muster"),
        ("width", -5),
        ("width", 1e3),
        ("width", 10**9),
        ("width", True),
        ("mpp", "0.25"),
        ("mpp", 1e400),
        ("mpp", None),
        ("mpp_source", "a guess"),
        ("mpp_source", ["file"]),
        ("levels", []),
        ("levels", [[1, 1]]),
        ("levels", [LEVEL] * 1000),
        ("levels", [{**LEVEL, "number": -1}]),
        ("levels", [{**LEVEL, "width": 0}]),
        ("levels", [{**LEVEL, "downsample": {}}]),
        ("levels", [{**LEVEL, "downsample": 0.5}]),
        ("background", [0, 0, 256]),
        ("bounds", [1, 2, 3, 4]),
        ("bounds", {"x0": 0}),
        ("barcode", "x" * 65),
        ("barcode", 7),
        ("identity", "S26-1"),
        ("identity", {}),
        *(
            ("identity", {**dataclasses.asdict(DICOM), **wrong})
            for wrong in (
                {"accession": "S" * 65},
                {"accession": " S26"},
                {"container": "S26\x1b[0m"},
                {"container": "\u202eS26"},
                {"accession_issuer": "x" * 201},
                {"study_uid": 1},
                {"specimens": [{}] * 51},
                {"specimens": ["S26"]},
                {"specimens": [{"id": ""}]},
            )
        ),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(key, value):
    with pytest.raises(ChannelGarbledError):
        info_from_json({**over_the_wire(info_to_json(INFO)), key: value})


def test_a_slides_files_lie_in_its_folder(tmp_path):
    (tmp_path / "slide").mkdir()
    for name in ("slide/a.dcm", "slide/b.dcm", "secret"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "slide/link").symlink_to(tmp_path / "secret")
    folder = tmp_path / "slide"
    for path in (folder, folder / "a.dcm"):
        files = [folder / "a.dcm", folder / "b.dcm"]
        assert files_from_json(over_the_wire(files_to_json(files, path)), path) == (*files,)
    for wrong in ([], None, "a.dcm", [1], [""], ["../secret"], ["/etc/passwd"], ["link"], ["a\0"]):
        with pytest.raises(ChannelGarbledError):
            files_from_json(wrong, folder)
    outward = tmp_path / "slide/linked.svs"
    outward.symlink_to(tmp_path / "secret")
    assert files_from_json(["linked.svs"], outward) == (outward,)


def test_only_errors_of_a_slide_or_its_storage_come_from_the_reader_process():
    loop = "The TIFF's directories form a loop: the file is damaged."
    known = error_from_json({"code": "slide_corrupt", "message": loop})
    assert type(known) is SlideCorruptError and known.message == loop
    assert type(error_from_json({"code": "storage_unavailable", "message": "x"})) is StorageUnavailableError
    for code in ("unauthenticated", "no_such_code"):
        assert type(error_from_json({"code": code, "message": "x"})) is InternalError


@pytest.mark.parametrize(
    "said",
    [
        "root:*:19000:0:99999:7:::",
        "",
        "The TIFF's directories form a loop: the file is damaged. root:*:19000",
        "There are 2 slides here. Send one slide at a time.\nroot",
        "There are S26-1234 slides here. Send one slide at a time.",
        f"There are {'7' * 200} slides here. Send one slide at a time.",
        "CZI compression Erika Muster is not supported. Export the slide as a pyramidal TIFF of 8-bit RGB with JPEG "
        "tiles, or as a CZI without compression or with Zstandard.",
        "This DICOM file is not a slide (secret). Name a file of a VL Whole Slide Microscopy series.",
    ],
)
def test_a_text_that_is_none_of_ours_gives_way_to_the_codes_own_sentence(said):
    told = error_from_json({"code": "slide_unsupported", "message": said})
    assert type(told) is SlideUnsupportedError
    assert told.message == (
        "This kind of slide is not supported. Export the slide as a pyramidal TIFF of 8-bit RGB with JPEG tiles."
    )


def test_every_error_that_may_come_has_a_general_sentence():
    for cls in (SlideError, *SlideError.__subclasses__(), StorageUnavailableError):
        told = error_from_json({"code": cls.code, "message": "root:*:19000"})
        assert type(told) is cls and told.message.endswith((".", ").")) and "root" not in told.message


GRID = make_grid(INFO.width, INFO.height, INFO.mpp)
QC = SlideQc(pen_fraction=0.25, dark_fraction=0.0, out_of_focus_fraction=None, stain_he=True)


def survey_in_memory(indices, fractions):
    layout = survey_layout(INFO, GRID)
    memory = SharedMemory.create(layout.size)
    memory.array(layout.thumbnail)[:] = 9
    memory.array(layout.mask)[0, :5] = 1
    memory.array(layout.artefacts)[2, 3:6] = (PEN, DARK, 0)
    memory.array(layout.indices)[: len(indices)] = indices
    memory.array(layout.fractions)[: len(fractions)] = fractions
    return memory


def test_a_survey_survives_the_way():
    memory = survey_in_memory([0, 4, 8], [0.5, 1.0, 0.1])
    sent = Survey(
        thumbnail=np.full((125, 156, 3), 9, np.uint8),
        tissue_mask=np.zeros((125, 156), bool),
        artefacts=np.zeros((125, 156), np.uint8),
        coords=GRID.coords(np.array([0, 4, 8])),
        tissue_fractions=np.array([0.5, 1.0, 0.1], np.float32),
        tile_size0=1792.0,
        grid_columns=3,
        grid_rows=3,
        tissue_area_mm2=1.25,
        qc=QC,
        warnings=(WARNING,),
    )
    sent.tissue_mask[0, :5] = True
    sent.artefacts[2, 3:5] = (PEN, DARK)
    got = survey_from_memory(over_the_wire(survey_to_json(sent)), memory, INFO, GRID)
    memory.close()
    for field in dataclasses.fields(Survey):
        assert np.array_equal(getattr(got, field.name), getattr(sent, field.name)), field.name


GOOD = {
    "tiles": 2,
    "tissue_area_mm2": 1.0,
    "qc": {"pen_fraction": 0.0, "dark_fraction": 0.0, "out_of_focus_fraction": None, "stain_he": None},
    "warnings": [],
}


@pytest.mark.parametrize(
    ("indices", "fractions", "changes"),
    [
        ([4, 4], [0.5, 0.5], {}),
        ([-1, 4], [0.5, 0.5], {}),
        ([0, 9], [0.5, 0.5], {}),
        ([0, 1], [0.5, np.nan], {}),
        ([0, 1], [0.5, 1.5], {}),
        ([0, 1], [0.5, 0.5], {"tiles": 10}),
        ([0, 1], [0.5, 0.5], {"tiles": -1}),
        ([0, 1], [0.5, 0.5], {"qc": {**GOOD["qc"], "stain_he": 1}}),
        ([0, 1], [0.5, 0.5], {"qc": None}),
        ([0, 1], [0.5, 0.5], {"warnings": "text"}),
        (
            [0, 1],
            [0.5, 0.5],
            {"warnings": [WARNING] * 100},
        ),
        ([0, 1], [0.5, 0.5], {"warnings": ["Mind the gap."]}),
        ([0, 1], [0.5, 0.5], {"warnings": ["mind_the_gap: it is wide."]}),
        ([0, 1], [0.5, 0.5], {"warnings": ["part_left_out: root:*:19000"]}),
    ],
)
def test_a_survey_that_makes_no_sense_is_refused(indices, fractions, changes):
    memory = survey_in_memory(indices, fractions)
    with pytest.raises(ChannelGarbledError):
        survey_from_memory({**GOOD, **changes}, memory, INFO, GRID)
    memory.close()


def test_artefacts_that_do_not_exist_are_refused():
    memory = survey_in_memory([0, 4], [0.5, 0.5])
    memory.array(survey_layout(INFO, GRID).artefacts)[5, 5] = 3
    with pytest.raises(ChannelGarbledError):
        survey_from_memory(GOOD, memory, INFO, GRID)
    memory.close()


def test_sharpness_comes_by_rows_of_the_survey():
    assert sharpness_from_json([[0, 0.5], [6, 0.25]], tiles=7) == ((0, 0.5), (6, 0.25))
    for odd in (None, [[7, 0.5]], [[-1, 0.5]], [[1, 0.5], [1, 0.5]], [[1]], [[1, -0.1]], [[n, 0.5] for n in range(65)]):
        with pytest.raises(ChannelGarbledError):
            sharpness_from_json(odd, tiles=7 if odd is None or len(odd) < 65 else 100)


@pytest.fixture
def line():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


@pytest.mark.parametrize(
    "data",
    [b"garbage\n", b"[1]\n", b'{"a": NaN}\n', b"[" * 100_000 + b"\n", b"\xff\xfe\n", b'{"a": ' + b"9" * 5000 + b"}\n"],
)
def test_lines_that_are_no_message(line, data):
    channel, other = line
    other.sendall(data)
    with pytest.raises(ChannelGarbledError):
        channel.receive(5)


def test_an_endless_line_is_cut_off(line):
    channel, other = line

    def flood():
        with pytest.raises(OSError):
            while True:
                other.sendall(b"x" * 65536)

    thread = threading.Thread(target=flood)
    thread.start()
    with pytest.raises(ChannelGarbledError, match="too long"):
        channel.receive(10)
    assert len(channel._buffer) <= LINE_MAX_BYTES + 65536
    channel.close()
    thread.join()


def test_silence_and_hanging_up(line):
    channel, other = line
    other.sendall(b'{"half": ')
    with pytest.raises(ChannelTimeoutError):
        channel.receive(0.05)
    other.close()
    with pytest.raises(ChannelClosedError):
        channel.receive(5)
    with pytest.raises(ChannelClosedError):
        channel.send({"op": "open"})
