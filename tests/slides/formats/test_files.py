import os

import pytest

from app.errors import NotASlideError, SlideTooManyFilesError
from app.slides.formats import folder_walk
from app.slides.formats.files import slide_files
from app.slides.formats.finding import find_slide


def names(tmp_path, slide):
    return [file.relative_to(tmp_path).as_posix() for file in slide_files(tmp_path / slide)]


def touch(tmp_path, *files):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")


def dicom(path):
    path.write_bytes(bytes(128) + b"DICM" + bytes(10))


def test_a_plain_file_is_itself(tmp_path):
    touch(tmp_path, "s.svs", "s/inside.dat", "t.svs")
    assert names(tmp_path, "s.svs") == ["s.svs"]


def test_mrxs_brings_the_folder_of_its_name(tmp_path):
    touch(tmp_path, "s.mrxs", "s/Slidedat.ini", "s/deep/Data0000.dat", "t.mrxs", "t/Slidedat.ini")
    assert names(tmp_path, "s.mrxs") == ["s/Slidedat.ini", "s/deep/Data0000.dat", "s.mrxs"]
    touch(tmp_path, "alone.mrxs")
    assert names(tmp_path, "alone.mrxs") == ["alone.mrxs"]


@pytest.mark.parametrize("suffix", ["vms", "VMU"])
def test_vms_brings_the_files_that_it_names_and_that_lie_beside_it(tmp_path, suffix):
    touch(tmp_path, "case/a.jpg", "case/b c.jpg", "case/a.opt", "case/unnamed.jpg", "outside.jpg")
    (tmp_path / f"case/s.{suffix}").write_text(
        "[Virtual Microscope Specimen]\r\nImageFile=a.jpg\r\nImageFile(1,0)= b c.jpg\r\nOptimisationFile=a.opt\r\n"
        f"MapFile=missing.jpg\r\nMacroImage=\r\nOther=../outside.jpg\r\nLong={'x' * 300}\r\nUp=..\r\n"
    )
    assert names(tmp_path, f"case/s.{suffix}") == ["case/a.jpg", "case/a.opt", "case/b c.jpg", f"case/s.{suffix}"]


def test_dicom_brings_what_may_be_its_series(tmp_path):
    for name in ("a.dcm", "b.dcm", "IM0", "VLW.1.2.840.3"):
        dicom(tmp_path / name)
    touch(tmp_path, "notes", "text.dcm", "notes.1")
    assert names(tmp_path, "a.dcm") == ["IM0", "VLW.1.2.840.3", "a.dcm", "b.dcm"]


def test_links_stay_inside_of_the_folder(tmp_path):
    touch(tmp_path, "case/s.svs", "case/deep/a.dat", "secret/key")
    (tmp_path / "case/out").symlink_to(tmp_path / "secret/key")
    (tmp_path / "case/outdir").symlink_to(tmp_path / "secret")
    (tmp_path / "case/circle").symlink_to(tmp_path / "case")
    (tmp_path / "case/dangling").symlink_to(tmp_path / "case/nothing")
    (tmp_path / "case/in.svs").symlink_to("deep/a.dat")
    assert names(tmp_path, "case") == ["case/deep/a.dat", "case/in.svs", "case/s.svs"]


def test_a_walk_ends_early(tmp_path, monkeypatch):
    touch(tmp_path, *(f"s/{number}.dat" for number in range(20)), "s.mrxs")
    monkeypatch.setattr(folder_walk, "ENTRIES_MAX", 20)
    assert len(slide_files(tmp_path / "s.mrxs")) == 21
    monkeypatch.setattr(folder_walk, "ENTRIES_MAX", 19)
    for look in (slide_files, find_slide):
        with pytest.raises(SlideTooManyFilesError, match="folder of its own"):
            look(tmp_path / "s")


def test_special_files_and_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe.svs")
    for path in (tmp_path / "pipe.svs", tmp_path):
        with pytest.raises(NotASlideError, match="pipe"):
            slide_files(path)
    with pytest.raises(FileNotFoundError):
        slide_files(tmp_path / "nothing.svs")
