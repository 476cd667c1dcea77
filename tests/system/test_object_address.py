"""Addresses mean one object, and a root holds what lies below it by whole segments."""

import pytest

from app.system.object_address import ObjectAddress


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://slides/a.svs", "slides", "a.svs"),
        ("s3://slides/2026/S26 #1?&%20+ü.svs", "slides", "2026/S26 #1?&%20+ü.svs"),
        ("s3://slides/...", "slides", "..."),
        ("s3://slides", "slides", ""),
        ("s3://slides/", "slides", ""),
    ],
)
def test_an_address_is_a_bucket_and_a_key_as_it_is(text, bucket, key):
    assert ObjectAddress.parse(text) == ObjectAddress(bucket, key)
    assert ObjectAddress.parse(str(ObjectAddress(bucket, key))) == ObjectAddress(bucket, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "slides/a.svs",
        "S3://slides/a.svs",
        "https://slides/a.svs",
        "s3:///a.svs",
        "s3://../a.svs",
        "s3://u:p@slides/a.svs",
        "s3://slides?x=1/a.svs",
        "s3://slides//a.svs",
        "s3://slides/a/../b.svs",
        "s3://slides/./b.svs",
        "s3://slides/a/",
        "s3://slides/a\nb",
        "s3://slides/a\x00",
        "s3://slides/\ud800",
        "s3://slides/" + "ü" * 513,
    ],
)
def test_what_could_mean_another_object_is_refused(text):
    with pytest.raises(ValueError, match="an object's"):
        ObjectAddress.parse(text)


@pytest.mark.parametrize(
    ("root", "text", "is_below"),
    [
        ("s3://slides", "s3://slides/a.svs", True),
        ("s3://slides", "s3://slides", False),
        ("s3://slides", "s3://slides2/a.svs", False),
        ("s3://slides/2026", "s3://slides/2026/a.svs", True),
        ("s3://slides/2026", "s3://slides/2026/x/a.svs", True),
        ("s3://slides/2026", "s3://slides/2026", False),
        ("s3://slides/2026", "s3://slides/2026-private/a.svs", False),
        ("s3://slides/2026", "s3://slides/20", False),
        ("s3://slides/2026", "s3://other/2026/a.svs", False),
    ],
)
def test_a_root_holds_whole_segments(root, text, is_below):
    assert ObjectAddress.parse(text).is_below(ObjectAddress.parse(root)) is is_below
