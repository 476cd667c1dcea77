"""JSON bodies: what the standard says, and nothing said twice."""

import pytest

from app.api.body.json_body import parse_json
from app.errors import RequestInvalidError


@pytest.mark.parametrize(
    "body", [b'{"a": [1, "\xc3\xbc"]}', b'\xef\xbb\xbf{"a": [1, "\\u00fc"]}', b' {"a":[1,"\xc3\xbc"]}\r\n']
)
def test_json_is_read(body):
    assert parse_json(body) == {"a": [1, "ü"]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"case_id": "A", "case_id": "B"}', "case_id was sent twice"),
        (b'{"case_id": "A", "case_id": "A"}', "case_id was sent twice"),
        (b'{"case_id": "A", "c\\u0061se_id": "B"}', "case_id was sent twice"),
        (b'{"source": {"type": "path", "path": "/a", "path": "/b"}}', "path was sent twice"),
        (b'[[{"a": [{"deep": 1, "deep": 1}]}]]', "deep was sent twice"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "twice"),
        (b'{"mpp": NaN}', "NaN"),
        (b'{"mpp": -Infinity}', "Infinity"),
        (b'{"mpp": ' + b"9" * 5000 + b"}", "digits"),
        ('{"case_id": "A"}'.encode("utf-16"), "UTF-8"),
        (b'{"case_id": "\xfc"}', "UTF-8"),
        (b"", "JSON"),
        (b"{} {}", "JSON"),
        (b"[" * 50_000, "brackets"),
    ],
)
def test_what_is_refused_is_named(body, words):
    with pytest.raises(RequestInvalidError) as refused:
        parse_json(body)
    assert words in refused.value.message
    refused.value.message.encode()  # it can be sent
