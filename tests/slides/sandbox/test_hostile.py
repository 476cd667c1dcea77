"""Damaged and hostile files: read, or refused by a typed error; never an error of ours."""

import random
import struct

import pytest

from app.errors import NotASlideError, SlideError
from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan
from tests.slides.make_slide import he_like, write_svs

MUTATIONS = 50


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> bytes:
    pixels = he_like(1_000, 1_200, 0.5, [(0.1, 0.1, 0.9, 0.9)])
    return write_svs(tmp_path_factory.mktemp("hostile") / "s.svs", pixels, 0.5, appmag=20).read_bytes()


@pytest.fixture(scope="module")
def readers():
    """The reader, replaced once it died."""
    held = [SlideReader()]

    def living() -> SlideReader:
        if not held[0].alive:
            held[0].close()
            held[0] = SlideReader()
        return held[0]

    yield living
    held[0].close()


def directories(data: bytes) -> list[tuple[int, int]]:
    """Where the classic TIFF's directories begin and end."""
    found, (at,) = [], struct.unpack_from("<I", data, 4)
    while at:
        end = at + 2 + 12 * struct.unpack_from("<H", data, at)[0] + 4
        found.append((at, end))
        (at,) = struct.unpack_from("<I", data, end - 4)
    return found


def mutated(original: bytes, seed: int) -> bytes:
    rng, data = random.Random(seed), bytearray(original)
    ranges = directories(original)
    kind = seed % 5
    if kind == 0:  # bits of the directories
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(*rng.choice(ranges))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[rng.randrange(1, len(data)) :]
    elif kind == 2:  # two entries exchange their values
        (start, end), entry = rng.choice(ranges), struct.Struct("<4s")
        places = rng.sample(range(start + 10, end - 4, 12), 2)
        values = [entry.unpack_from(data, place)[0] for place in places]
        for place, value in zip(places, reversed(values), strict=True):
            entry.pack_into(data, place, value)
    elif kind == 3:  # a value of an entry, or the link, at an extreme
        start, end = rng.choice(ranges)
        place = rng.choice([*range(start + 10, end - 4, 12), *range(start + 6, end - 4, 12), end - 4])
        struct.pack_into("<I", data, place, rng.choice([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
    else:  # the description, the offsets and the pixels
        for _ in range(rng.randint(1, 2000)):
            data[rng.randrange(8, len(data))] = rng.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("seed", range(MUTATIONS))
def test_a_mutated_slide_is_read_or_refused_by_name(original, readers, tmp_path, seed):
    path = tmp_path / "s.svs"
    path.write_bytes(mutated(original, seed))
    reader = readers()
    try:
        info = reader.open(path)
        survey = reader.survey(ReadingPlan())
        tiles = sum(len(batch.tiles) for batch in reader.tiles(4))
        assert (tiles, info.width > 0) == (len(survey.coords), True)
    except SlideError as error:
        assert error.message and str(tmp_path) not in error.message
    path.write_bytes(original)
    assert readers().open(path).width == 1200  # whatever happened, the next slide is read


def test_the_mutations_reach_every_stage(original, readers, tmp_path):
    """Some of them are refused, some read: else the test above would test one thing fifty times."""
    refused = set()
    path = tmp_path / "s.svs"
    for seed in range(0, MUTATIONS, 2):
        path.write_bytes(mutated(original, seed))
        try:
            readers().open(path)
            refused.add(None)
        except SlideError as error:
            refused.add(error.code)
    assert {None, "slide_corrupt", NotASlideError.code} <= refused


@pytest.mark.parametrize(
    "description",
    [b"|MPP = \xff\xfe|", b"|MPP = nan|", b"|MPP = 0.5|AppMag = 1e308|", b"|MPP = " + b"9" * 400 + b"|", b"|=|==||\0|"],
)
def test_metadata_that_makes_no_sense(original, readers, tmp_path, description):
    mark = original.index(b"Aperio Image Library")
    end = original.index(b"\0", mark)
    text = (b"Aperio Image" + description).ljust(end - mark, b" ")[: max(end - mark, 0)]
    path = tmp_path / "s.svs"
    path.write_bytes(original[:mark] + text + original[end:])
    try:
        assert 0.05 <= readers().open(path).mpp <= 5
    except SlideError as error:
        assert error.code != "decoder_crashed" and path.name not in error.message
