"""multipart/form-data (RFC 7578), read as it comes in: one file, and short texts by name, each sent once."""

import codecs
import re
from collections.abc import Collection, Mapping
from email.policy import HTTP
from typing import Protocol, cast

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.errors import RequestInvalidError, UploadBrokenError, UploadTypeError

TEXT_BYTES = 8 * 1024
HEADER_CHARS = 4 * 1024
"""Longest header with parameters. The standard library's parser takes quadratic time."""
CHARSETS = ("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252")
_CODECS = frozenset(codecs.lookup(charset).name for charset in CHARSETS)
_EXTENDED_NAME = re.compile(r"(?<!\w)name\s*\*[\d*\s]*=", re.IGNORECASE)
"""``name*`` or ``name*0``, which RFC 7578 does not have (4.2): readers disagree on which of two names counts."""
_AS_IT_IS = frozenset({"", "7bit", "8bit", "binary"})


class FileSink(Protocol):
    """Takes the file's bytes."""

    def start(self, file_name: str) -> None:
        """The part has begun; ``file_name`` is empty where the client sent none."""

    def write(self, data: bytes) -> None:
        """The next bytes."""

    def finish(self) -> None:
        """The part is complete."""


class FormReader:
    """Sorts a form's parts as they come. ``content_type``: the request's; ``names``: the texts that are known.

    Text before the first boundary and after the last is ignored (RFC 2046, 5.1.1). Errors of all methods:
    RequestInvalidError (a part that is unknown, doubled or too long), UploadTypeError (an encoding that is not read).
    UploadBrokenError (not a form, or an incomplete one).
    """

    def __init__(self, content_type: str, file_name: str, file: FileSink, names: Collection[str]) -> None:
        self._parser = _parser(content_type)
        self._file_name, self._file = file_name, file
        self._names = names
        self._texts: dict[str, bytearray] = {}
        self._charsets: dict[str, str] = {}
        self._is_file_here = False
        self._now = ""

    def feed(self, data: bytes) -> None:
        """The next bytes of the body, at least one."""
        try:
            for event in self._parser.parse(data):
                if event is None:
                    self._end()
                elif isinstance(event, MultipartSegment):
                    self._begin(event)
                else:
                    self._take(event)
        except MultipartError as error:
            raise _broken(error) from error

    def close(self) -> dict[str, str]:
        """Ends the body; its texts by name, without empty ones (HTML forms send empty fields)."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise UploadBrokenError("The upload ended before the form was complete. Send it again.") from error
        texts = {name: self._decoded(name, bytes(value)) for name, value in self._texts.items()}
        return {name: text for name, text in texts.items() if text.strip()}

    def _begin(self, part: MultipartSegment) -> None:
        name, sent_name = _names_of(part)
        if name == self._file_name:
            if self._is_file_here:
                raise RequestInvalidError(f"{name} was sent twice. A slide of several files goes as one .zip.")
            self._is_file_here = True
        elif name not in self._names:
            known = ", ".join((self._file_name, *self._names))
            raise RequestInvalidError(f"The form has an unknown field {name[:80]!r}. Known: {known}.")
        elif name in self._texts:
            hint = "Send its names in one field, comma-separated." if name == "tasks" else "Send it once."
            raise RequestInvalidError(f"{name} was sent twice. {hint}")
        encoding = cast("str", part.header("Content-Transfer-Encoding", "")).strip().lower()
        if encoding not in _AS_IT_IS:
            raise UploadTypeError(f"{name} is encoded as {encoding[:40]!r}. Send it unencoded (binary).")
        self._now = name
        if name == self._file_name:
            self._file.start(sent_name)
        else:
            self._charsets[name] = _charset(name, part)
            self._texts[name] = bytearray()

    def _take(self, data: bytes) -> None:
        if self._now == self._file_name:
            self._file.write(data)
            return
        text = self._texts[self._now]
        text += data
        if len(text) > TEXT_BYTES:
            raise RequestInvalidError(f"{self._now} is longer than {TEXT_BYTES} bytes.")

    def _end(self) -> None:
        if self._now == self._file_name:
            self._file.finish()

    def _decoded(self, name: str, value: bytes) -> str:
        try:
            return value.decode(self._charsets[name])
        except UnicodeDecodeError as error:
            raise RequestInvalidError(f"{name}: not {self._charsets[name].upper()}") from error


def _parser(content_type: str) -> PushMultipartParser:
    boundary = _parameters("Content-Type", content_type).get("boundary")
    if not boundary:
        raise UploadBrokenError("Content-Type has no boundary. Let the HTTP library write this header.")
    if boundary != parse_options_header(content_type)[1].get("boundary", boundary):  # the first, and the last
        raise UploadBrokenError("Content-Type has two boundaries. Let the HTTP library write this header.")
    try:
        return PushMultipartParser(boundary.encode("latin-1", "replace"))
    except MultipartError as error:
        raise _broken(error) from error


def _parameters(header: str, value: str) -> Mapping[str, str]:
    """By the standard library, which is recursive and whose parser ends in IndexError for some damaged values."""
    if len(value) > HEADER_CHARS:
        raise UploadBrokenError(f"The header {header} is longer than {HEADER_CHARS} characters.")
    try:
        return dict(HTTP.header_factory(header, value).params)
    except (IndexError, RecursionError) as error:
        raise UploadBrokenError(
            f"The header {header} does not parse. Let the HTTP library write this header."
        ) from error


def _broken(error: MultipartError) -> UploadBrokenError:
    reason = error.args[0]
    if len(error.args) > 1:  # with the UnicodeDecodeError
        reason = "a header of a part (a file name, perhaps) is not UTF-8"
    return UploadBrokenError(f"The multipart body does not parse: {reason}.")


def _names_of(part: MultipartSegment) -> tuple[str, str]:
    """The field's name and the file's. The standard library reads names in all encodings, ``filename*`` too."""
    heads = [value for name, value in part.headerlist if name == "Content-Disposition"]
    said = _parameters("Content-Disposition", heads[0])
    name = said.get("name", "")
    if _EXTENDED_NAME.search(heads[0]):
        raise RequestInvalidError("A part of the form has the parameter name*. Send the field's name as name.")
    if len(heads) > 1 or name != part.name:  # the first of two names, and the last
        raise RequestInvalidError("A part of the form has two names. Send each field as a part of its own.")
    if not name:
        raise RequestInvalidError("A part of the form has no name.")
    return name, said.get("filename", "")


def _charset(name: str, part: MultipartSegment) -> str:
    charset = part.charset or "utf-8"
    try:
        known = codecs.lookup(charset).name
    except (LookupError, ValueError):
        known = ""
    if known not in _CODECS:
        raise UploadTypeError(f"{name} is in an unknown charset, {charset[:40]!r}. Known: {', '.join(CHARSETS)}.")
    return known
