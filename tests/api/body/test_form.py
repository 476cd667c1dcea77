"""Forms as clients of all kinds write them, whole, and byte by byte."""

from email.policy import HTTP

import pytest

from app.api.body import form
from app.api.body.form import FormReader
from app.errors import RequestInvalidError, UploadBrokenError, UploadTypeError

SLIDE = bytes(range(256)) + b"\r\n--not the boundary\r\n--b\xff--" + b"\r\n--\r\n" * 3
NAMES = ("case_id", "mpp", "tasks")


class Kept:
    """A file in memory."""

    def __init__(self) -> None:
        self.name, self.content, self.is_whole = "none", b"", False

    def start(self, file_name: str) -> None:
        assert self.name == "none"
        self.name = file_name

    def write(self, data: bytes) -> None:
        self.content += data

    def finish(self) -> None:
        self.is_whole = True


def read(body, content_type="multipart/form-data; boundary=bbb", step=None):
    file = Kept()
    reader = FormReader(content_type, "slide", file, NAMES)
    for start in range(0, len(body), step or len(body)):
        reader.feed(body[start : start + (step or len(body))])
    texts = reader.close()
    assert file.is_whole or file.name == "none"
    return file, texts


def part(head: str | bytes, value: bytes, boundary=b"bbb") -> bytes:
    text = head if isinstance(head, bytes) else head.encode()
    return b"--" + boundary + b"\r\n" + text + b"\r\n\r\n" + value + b"\r\n"


def disposition(text: str, *more: str) -> str:
    """The header of a part, and ``more`` headers."""
    return "\r\n".join([f"Content-Disposition: form-data; {text}", *more])


def odd(name: str, header: str, value: bytes) -> bytes:
    """A form of one field with a further header."""
    return part(disposition(f"name={name}", header), value) + END


CASE = part(disposition('name="case_id"'), "S26-Ü1;x".encode())
FILE = part(disposition('name="slide"; filename="a b.svs"'), SLIDE)
END = b"--bbb--\r\n"
WHOLE = CASE + FILE + END


@pytest.mark.parametrize("step", [None, 1, 7])
@pytest.mark.parametrize(
    "body",
    [
        WHOLE,
        FILE + CASE + END,
        CASE + FILE + b"--bbb--",
        b"\r\n" + WHOLE,
        b"This is a multipart message.\r\n" + WHOLE,
        b"--bb\r\n--b\r\n\r\n" + WHOLE,
        WHOLE + b"An epilogue.\r\n--bbb\r\n" + CASE,
        part('content-disposition:form-data;name="case_id"', "S26-Ü1;x".encode()) + FILE + END,
        part("CONTENT-DISPOSITION: FORM-DATA; NAME=case_id", "S26-Ü1;x".encode()) + FILE + END,
        part(disposition("name=case_id", "Content-Type: text/plain; charset=utf-8"), "S26-Ü1;x".encode()) + FILE + END,
        part(disposition("name=case_id", 'content-type: text/plain;charset="ISO-8859-1"'), b"S26-\xdc1;x") + FILE + END,
        part(
            disposition("name=case_id", "Content-Transfer-Encoding: 8bit", "Content-Length: 9"),
            "S26-Ü1;x".encode(),
        )
        + FILE
        + END,
        CASE + part(disposition('name=mpp; filename=""'), b"  ") + FILE + END,
    ],
)
def test_what_standards_allow_is_read_however_it_is_cut(body, step):
    file, texts = read(body, step=step)
    assert (file.content, texts) == (SLIDE, {"case_id": "S26-Ü1;x"})


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('name="slide"', ""),
        ('name="slide"; filename=""', ""),
        ("name=slide; filename=s.svs", "s.svs"),
        ('name="slide"; filename="a;b \\"c\\".svs"', 'a;b "c".svs'),
        ('name="slide"; filename="schnitt-ü.svs"', "schnitt-ü.svs"),
        ("name=\"slide\"; filename*=UTF-8''schnitt-%C3%BC.svs", "schnitt-ü.svs"),
        ('name="slide"; filename="s.svs"; filename*=UTF-8\'\'s.svs', "s.svs"),
        ('name="slide"; filename="name*.svs"', "name*.svs"),
        ('name="slide"; filename="=?utf-8?B?c2xpZGUuc3Zz?="', "slide.svs"),
        ('filename="s.svs"; name="slide"', "s.svs"),
        ('name="slide" ; filename="s.svs"\r\nContent-Type: application/octet-stream', "s.svs"),
        ('name="slide"; filename="s.svs"\r\nContent-Transfer-Encoding: binary\r\nX-More: 1', "s.svs"),
        ('name="slide"; filename="s.svs"\r\nContent-Type: image/tiff; charset=binary', "s.svs"),
    ],
)
def test_files_are_named_in_many_ways(head, name):
    file, _ = read(part(disposition(head), SLIDE) + END)
    assert (file.name, file.content) == (name, SLIDE)


@pytest.mark.parametrize(
    ("said", "boundary"),
    [
        ('multipart/form-data; boundary="b b:?"; charset=utf-8', b"b b:?"),
        ("multipart/form-data;charset=utf-8;boundary=bbb;", b"bbb"),
        ("Multipart/Form-Data; BOUNDARY=bbb", b"bbb"),
        (f"multipart/form-data; boundary={'-' * 60}x", b"-" * 60 + b"x"),
    ],
)
def test_boundaries(said, boundary):
    file, _ = read(part(disposition('name="slide"'), SLIDE, boundary) + b"--" + boundary + b"--", said)
    assert file.content == SLIDE


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (CASE + CASE + FILE + END, RequestInvalidError, "case_id was sent twice"),
        (CASE + FILE + CASE + END, RequestInvalidError, "case_id was sent twice"),
        (FILE + FILE + END, RequestInvalidError, "slide was sent twice"),
        (part(disposition("name=mpp"), b"1") + part(disposition("name=mpp"), b".25") + END, RequestInvalidError, "mpp"),
        (part(disposition("name=tasks"), b"a") * 2 + END, RequestInvalidError, "comma-separated"),
        (part(disposition("name=other"), b"a") + END, RequestInvalidError, "Known: slide, case_id"),
        (part(disposition('filename="s.svs"'), b"a") + END, RequestInvalidError, "no name"),
        (part(disposition("name=mpp; name=case_id"), b"a") + END, RequestInvalidError, "two names"),
        (part(disposition("name=mpp", disposition("name=case_id")), b"a") + END, RequestInvalidError, "two names"),
        *(
            (part(disposition(head), b"1") + END, RequestInvalidError, "parameter name*")
            for head in (
                "name=\"case_id\"; name*=utf-8''case_id",
                "name=case_id; name*=utf-8''mpp",
                "name*=utf-8''mpp; name=case_id",
                "NAME *0*=utf-8''mp; name*1=p; name=case_id",
                "name=case_id; (x)name*0=mpp",
                'name="slide"; filename="s.svs"; name*=utf-8\'\'slide',
            )
        ),
        (part(disposition("name=case_id"), b"a" * 8193) + END, RequestInvalidError, "8192"),
        (part(disposition("name=case_id"), b"\xff") + END, RequestInvalidError, "UTF-8"),
        (odd("case_id", "Content-Type: text/plain; charset=us-ascii", b"\xfc"), RequestInvalidError, "ASCII"),
        (odd("case_id", "Content-Type: text/plain; charset=klingon", b"a"), UploadTypeError, "klingon"),
        (odd("case_id", "Content-Type: text/plain; charset=utf-7", b"a"), UploadTypeError, "utf-7"),
        (odd("slide", "Content-Transfer-Encoding: base64", b"aaaa"), UploadTypeError, "base64"),
        (odd("mpp", "Content-Transfer-Encoding: Quoted-Printable", b"a"), UploadTypeError, "quoted-printable"),
        (part("Content-Disposition: attachment; name=mpp", b"1") + END, UploadBrokenError, "Content-Disposition"),
        (part("X: y", b"1") + END, UploadBrokenError, "Content-Disposition"),
        (part(disposition('name="slide"; filename="').encode() + b'\xfc.svs"', b"a") + END, UploadBrokenError, "UTF-8"),
        (part(disposition("name=mpp", *["X: y"] * 20, "Z: z"), b"1") + END, UploadBrokenError, "header"),
        (part(disposition("name=mpp", "X: " + "y" * 9000), b"1") + END, UploadBrokenError, "header"),
        (WHOLE.replace(b"\r\n", b"\n"), UploadBrokenError, "line break"),
        (CASE + FILE, UploadBrokenError, "ended before"),
        (CASE + FILE[:-20], UploadBrokenError, "ended before"),
        (b"no form at all" * 100, UploadBrokenError, "ended before"),
    ],
)
def test_what_is_refused_is_named(body, error, words):
    with pytest.raises(error) as refused:
        read(body)
    assert words in refused.value.message


@pytest.mark.parametrize(
    "said", ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""']
)
def test_a_boundary_has_to_be_there(said):
    with pytest.raises(UploadBrokenError, match="boundary"):
        read(WHOLE, said)


def test_there_are_no_two_boundaries():
    with pytest.raises(UploadBrokenError, match="two boundaries"):
        read(WHOLE, "multipart/form-data; boundary=bbb; boundary=ccc")


def test_a_hundred_thousand_parts_cost_no_more_than_two(monkeypatch):
    heads = []

    class Counting:
        def header_factory(self, name, value):
            heads.append(value)
            return HTTP.header_factory(name, value)

    monkeypatch.setattr(form, "HTTP", Counting())
    with pytest.raises(RequestInvalidError, match="sent twice"):
        read(part(disposition("name=case_id"), b"") * 100_000 + END)
    assert len(heads) == 3  # of the request and of two parts


@pytest.mark.parametrize("text", ["; a*", " " + "(" * 3000], ids=["ends early", "nested comments"])
def test_a_header_that_the_library_cannot_parse_breaks_the_form_and_not_the_service(text):
    for header in ("Content-Type", "Content-Disposition"):
        with pytest.raises((IndexError, RecursionError)):
            HTTP.header_factory(header, f'form-data; name="case_id"{text}')
    with pytest.raises(UploadBrokenError, match="Content-Type does not parse"):
        read(WHOLE, f"multipart/form-data; boundary=bbb{text}")
    with pytest.raises(UploadBrokenError, match="Content-Disposition does not parse"):
        read(part(disposition(f'name="case_id"{text}'), b"A") + FILE + END)


def test_a_content_type_of_many_parameters_is_refused():
    with pytest.raises(UploadBrokenError, match="longer than 4096"):
        read(WHOLE, "multipart/form-data; boundary=bbb" + "; a=b" * 10_000)
