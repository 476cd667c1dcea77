import errno
import os
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from app.errors import ArchiveInvalidError, ArchiveUnsafeError, DiskLowError
from app.slides.formats.archive.archive import ArchiveLimits, extract_slide_zip, is_zip

DEFAULT = ArchiveLimits()


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def check_refused(tmp_path: Path, zip_path: Path, error: type[Exception], limits: ArchiveLimits = DEFAULT) -> str:
    """The refusal's sentence; nothing may be left, inside or outside of the folder."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        extract_slide_zip(zip_path, tmp_path / "out", limits)
    assert sorted(tmp_path.rglob("*")) == before
    return str(caught.value)


def test_a_slide_of_many_files_is_unpacked_and_its_entry_found(tmp_path):
    files = {
        "case/s.mrxs": b"index",
        "case/s/Data0000.dat": b"d" * 10,
        "__MACOSX/case/._s.mrxs": b"x",
        "case/.DS_Store": b"",
    }
    path = make_zip(tmp_path / "s.zip", files, zipfile.ZIP_DEFLATED)
    assert is_zip(path)
    extract_slide_zip(path, tmp_path / "out")
    names = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert names == {"case/s.mrxs", "case/s/Data0000.dat"}
    assert (tmp_path / "out/case/s/Data0000.dat").read_bytes() == b"d" * 10


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/s.svs", "absolute"),
        ("\\\\server\\s.svs", "absolute"),
        ("C:/s.svs", "absolute"),
        ("C:\\s.svs", "absolute"),
        ("../s.svs", "points outside"),
        ("a/../../s.svs", "points outside"),
        ("..\\s.svs", "points outside"),
        ("a\\..\\..\\s.svs", "points outside"),
        ("/".join(["d"] * 16) + "/a.svs", "16 deep"),
    ],
)
def test_unsafe_names(tmp_path, name, reason):
    zip_path = make_zip(tmp_path / "s.zip", {"ok.svs": b"1", name: b"2"})
    assert reason in check_refused(tmp_path, zip_path, ArchiveUnsafeError)


def written(zip_path: Path, out: Path) -> dict[str, bytes]:
    extract_slide_zip(zip_path, out)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "症例　1.svs",  # U+3000, as Japanese keyboards write a blank
        "lame\u00a01.svs",
        "la\u00adme.svs",
        "\U0001fae9.svs",
        "a/\x07s.svs",
        "a/\nb.svs",
        "12:30.svs",
        "case/" + "x" * 300 + ".svs",
        "d" * 200 + "/" + "e" * 200 + "/s.svs",
        "\u202e.svs",
    ],
)
def test_a_name_refuses_no_slide(tmp_path, name):
    assert [*written(make_zip(tmp_path / "s.zip", {name: b"slide"}), tmp_path / "out").values()] == [b"slide"]


def test_a_shift_jis_name_in_a_zip_without_folders(tmp_path):
    path, raw = tmp_path / "s.zip", "表.svs".encode("cp932")
    assert b"\\" in raw
    path.write_bytes(make_zip(path, {"xx.svs": b"slide"}).read_bytes().replace(b"xx.svs", raw))
    assert [*written(path, tmp_path / "out").values()] == [b"slide"]


@pytest.mark.parametrize(
    ("code_page", "word"), [("cp932", "表ソ能"), ("gbk", "切片"), ("cp866", "Срез"), ("latin-1", "größe ÿ")]
)
def test_names_of_other_code_pages_keep_index_and_folder_together(tmp_path, code_page, word):
    """Zips without the UTF-8 flag hold any bytes; in Shift-JIS a letter's second byte may be that of a backslash."""
    names = [name.encode(code_page) for name in (f"{word}/{word}.mrxs", f"{word}/{word}/Data0000.dat")]
    stand_ins = ["a" * len(names[0]), "b" * len(names[1])]
    path = make_zip(tmp_path / "s.zip", dict.fromkeys(stand_ins, b"x"))
    data = path.read_bytes()
    for stand_in, name in zip(stand_ins, names, strict=True):
        data = data.replace(stand_in.encode(), name)
    path.write_bytes(data)
    found = [*written(path, tmp_path / "out")]
    index = next(name for name in found if name.endswith(".mrxs"))
    assert sorted(found) == sorted([index, f"{index.removesuffix('.mrxs')}/Data0000.dat"])


def test_a_zip_of_windows_powershell_5(tmp_path):
    path = make_zip(tmp_path / "s.zip", {"case\\": b"", "case\\s.mrxs": b"1", "case\\s\\Data0000.dat": b"2"})
    assert written(path, tmp_path / "out") == {"case/s.mrxs": b"1", "case/s/Data0000.dat": b"2"}


def test_only_what_may_be_a_slide_is_unpacked(tmp_path):
    files = {"s.svs": b"1", "report.pdf": b"2", "label.jpg": b"3", "notes.txt": b"4"}
    assert written(make_zip(tmp_path / "s.zip", files), tmp_path / "out") == {"s.svs": b"1"}


def test_of_dicom_names_only_dicom_files_are_unpacked(tmp_path):
    dicom, bare = bytes(128) + b"DICM" + b"more", b"\x02\0\0\0UL\4\0" + b"more"
    files = {"a.dcm": dicom, "IM1": dicom, "1.2.3": bare, "README": b"no", "empty": b"", "x.dcm": b"DICM"}
    found = written(make_zip(tmp_path / "s.zip", files), tmp_path / "out")
    assert found == {"a.dcm": dicom, "IM1": dicom, "1.2.3": bare}


@pytest.mark.parametrize("suffix", ["svs", "mrxs"])
def test_several_slides_by_their_names_are_refused_before_they_are_unpacked(tmp_path, monkeypatch, suffix):
    path = make_zip(tmp_path / "s.zip", {f"{name}.{suffix}": b"x" for name in "abc"})
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert "3 slides" in check_refused(tmp_path, path, ArchiveInvalidError)


def test_a_zip_without_a_slide_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "s.zip", {f"{number}.dat": b"x" for number in range(100)})
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert "contains no slide" in check_refused(tmp_path, path, ArchiveInvalidError)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        entry = zipfile.ZipInfo("s.svs")
        entry.create_system = 3
        entry.external_attr = (kind | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    assert "link" in check_refused(tmp_path, tmp_path / "s.zip", ArchiveUnsafeError)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["s.svs", "S.SVS", "s.svs/inside.dat"])
def test_two_files_of_one_name(tmp_path, second):
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("s.svs", b"1")
        archive.writestr(second, b"2")
    assert "same name" in check_refused(tmp_path, tmp_path / "s.zip", ArchiveUnsafeError)


def test_too_many_entries_are_refused_before_they_are_listed(tmp_path):
    path = make_zip(tmp_path / "s.zip", {f"{number}.dat": b"" for number in range(20)})
    assert "20 entries" in check_refused(tmp_path, path, ArchiveUnsafeError, ArchiveLimits(entries=19))


def test_bombs(tmp_path):
    bomb = make_zip(tmp_path / "b.zip", {"s.svs": bytes(30_000_000)}, zipfile.ZIP_DEFLATED)
    assert "compression ratio" in check_refused(tmp_path, bomb, ArchiveUnsafeError)
    many = {f"{number}.dat": bytes(1_000_000) for number in range(30)}
    assert "compression ratio" in check_refused(
        tmp_path, make_zip(tmp_path / "m.zip", many, zipfile.ZIP_DEFLATED), ArchiveUnsafeError
    )
    large = make_zip(tmp_path / "l.zip", {"s.svs": bytes(5000)})
    assert "5000 bytes" in check_refused(tmp_path, large, ArchiveUnsafeError, ArchiveLimits(total_bytes=4999))


def test_a_header_that_lies_about_the_size_does_not_let_more_through(tmp_path):
    path = make_zip(tmp_path / "s.zip", {"s.svs": bytes(5_000_000)}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        offset = data.index(mark) + at
        assert struct.unpack_from("<I", data, offset) == (5_000_000,)
        struct.pack_into("<I", data, offset, 1000)
    path.write_bytes(data)
    check_refused(tmp_path, path, ArchiveInvalidError)


def test_encrypted_and_odd_methods(tmp_path):
    path = make_zip(tmp_path / "s.zip", {"s.svs": b"12345"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "e.zip").write_bytes(data)
    assert "encrypted" in check_refused(tmp_path, tmp_path / "e.zip", ArchiveUnsafeError)
    odd = make_zip(tmp_path / "o.zip", {"s.svs": b"12345" * 100}, zipfile.ZIP_LZMA)
    assert "method" in check_refused(tmp_path, odd, ArchiveUnsafeError)


@pytest.mark.parametrize("cut", [3, 30, 0.5, -1])
def test_cut_off_zips(tmp_path, cut):
    data = make_zip(tmp_path / "s.zip", {"s.svs": bytes(range(256)) * 50}).read_bytes()
    (tmp_path / "s.zip").write_bytes(data[: int(len(data) * cut) if isinstance(cut, float) else cut])
    check_refused(tmp_path, tmp_path / "s.zip", ArchiveInvalidError)


def test_damaged_contents_and_zips_without_a_slide(tmp_path):
    path = make_zip(tmp_path / "s.zip", {"s.svs": bytes(range(256)) * 50})
    data = bytearray(path.read_bytes())
    data[500] ^= 0xFF
    (tmp_path / "d.zip").write_bytes(data)
    said = check_refused(tmp_path, tmp_path / "d.zip", ArchiveInvalidError)
    assert said == "The zip cannot be read. Pack the slide again."
    assert "no slide" in check_refused(tmp_path, make_zip(tmp_path / "t.zip", {"a.txt": b"x"}), ArchiveInvalidError)
    assert "no slide" in check_refused(tmp_path, make_zip(tmp_path / "0.zip", {}), ArchiveInvalidError)


def test_a_folder_in_use_is_not_touched(tmp_path):
    path = make_zip(tmp_path / "s.zip", {"s.svs": b"x"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    with pytest.raises(FileExistsError):
        extract_slide_zip(path, tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "keep"


def test_is_zip(tmp_path):
    (tmp_path / "t").write_text("PK said the file")
    assert not is_zip(tmp_path / "t")


def test_what_is_returned_is_on_disk_files_first_then_folders_upwards(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "s.zip", {"case/s.mrxs": b"index", "case/s/deep/Data.dat": b"data"})
    synced, fsync = [], os.fsync

    def noting(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noting)
    out = tmp_path / "new" / "out"
    extract_slide_zip(path, out)
    files = {out / "case/s.mrxs", out / "case/s/deep/Data.dat"}
    assert set(synced[:2]) == files
    assert synced[2:] == [out / "case/s/deep", out / "case/s", out / "case", out, tmp_path / "new", tmp_path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("when", ["fsync", "mkdir"])
def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path, monkeypatch, number, when):
    path = make_zip(tmp_path / "s.zip", {"case/s.svs": b"x"})
    mkdir = Path.mkdir

    def full(*args: object, **_: object) -> None:
        raise OSError(number, os.strerror(number))

    def full_below(self: Path, *args: object, **options: object) -> None:
        full() if self.name == "case" else mkdir(self, *args, **options)

    monkeypatch.setattr(os, "fsync", full) if when == "fsync" else monkeypatch.setattr(Path, "mkdir", full_below)
    assert "Free space" in check_refused(tmp_path, path, DiskLowError)


def test_a_slide_larger_than_the_free_space_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "s.zip", {"s.svs": bytes(5000)})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4999))
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert "Free space" in check_refused(tmp_path, path, DiskLowError)


def test_what_is_to_stay_free_does_also_where_others_fill_the_disk_meanwhile(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "s.zip", {"s.svs": bytes(3 * 2**20)})
    usage, free = shutil.disk_usage(tmp_path), iter([5 * 2**20, 5 * 2**20, 2 * 2**20, 2**20])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=next(free)))
    assert "Free space" in check_refused(tmp_path, path, DiskLowError, ArchiveLimits(free_bytes=2**20))
    assert list(free) == []


def test_a_damaged_deflate_stream(tmp_path):
    path = make_zip(tmp_path / "s.zip", {"s.svs": bytes(range(256)) * 50}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[40:60] = b"\xff" * 20
    path.write_bytes(data)
    check_refused(tmp_path, path, ArchiveInvalidError)
