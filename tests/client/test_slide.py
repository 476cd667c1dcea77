"""Which slide ID a file name stands for."""

import os
import zipfile
from pathlib import Path

import pytest

from app.client.slide import ObjectName, shown, slide_id_of


@pytest.mark.parametrize(
    ("name", "slide_id"),
    [
        ("S26-001234-A1.svs", "S26-001234-A1"),
        ("S26.1;A.ome.tif", "S26.1;A.ome"),
        ("no extension", "no extension"),
        ("instance.dcm", None),
        ("INSTANCE.DICOM", None),
    ],
)
def test_the_name_without_its_extension_is_the_slide_id(name, slide_id):
    assert slide_id_of(Path("/somewhere") / name) == slide_id
    assert slide_id_of(ObjectName(f"s3://bucket/somewhere/{name}")) == slide_id


@pytest.mark.parametrize(("member", "slide_id"), [("x/Data0001.dcm", None), ("S26.mrxs", "sent"), ("S26.VMS", "sent")])
def test_a_zip_of_dicom_keeps_the_id_of_its_header(tmp_path, member, slide_id):
    with zipfile.ZipFile(tmp_path / "sent.zip", "w") as archive:
        archive.writestr(member, b"")
    assert slide_id_of(tmp_path / "sent.zip") == slide_id


def test_a_broken_zip_is_left_to_the_service(tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"PK")
    assert slide_id_of(tmp_path / "broken.zip") is None


def test_two_names_that_are_not_utf8_stay_two():
    first, second = (Path(os.fsdecode(b"Caf" + byte + b".svs")) for byte in (b"\xe9", b"\xe8"))
    assert (slide_id_of(first), slide_id_of(second)) == ("Caf\\xe9", "Caf\\xe8")
    assert shown(first).encode() == b"Caf\\xe9.svs"
