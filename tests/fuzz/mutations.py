"""Slides that are nearly right: a real one, damaged in one of ten ways. The same seed gives the same bytes."""

import random
import struct
from collections.abc import Callable

Mutation = Callable[[bytearray, random.Random], None]


def directories(data: bytes | bytearray) -> list[tuple[int, int]]:
    """Where the directories of a little-endian classic TIFF begin and end; none for any other file."""
    found: list[tuple[int, int]] = []
    if data[:4] != b"II*\0":
        return found
    (at,) = struct.unpack_from("<I", data, 4)
    while at and at + 2 < len(data) and len(found) < 64:
        end = at + 6 + 12 * struct.unpack_from("<H", data, at)[0]
        if end > len(data):
            break
        found.append((at, end))
        (at,) = struct.unpack_from("<I", data, end - 4)
    return found


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 64)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_directory_bits(data: bytearray, rng: random.Random) -> None:
    ranges = directories(data) or [(0, min(len(data), 4096))]
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(*rng.choice(ranges))] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def overwrite(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    length = min(rng.randint(1, 65536), len(data) - at)
    data[at : at + length] = rng.randbytes(length)


def edit_tag(data: bytearray, rng: random.Random) -> None:
    """Another tag, type or count."""
    for start, end in rng.sample(directories(data), k=min(1, len(directories(data)))):
        entry = rng.randrange(start + 2, end - 4, 12)
        struct.pack_into(
            "<HHI", data, entry, rng.randrange(65536), rng.randrange(20), rng.choice([0, 1, 2**16, 2**31, 2**32 - 1])
        )


def swap_offsets(data: bytearray, rng: random.Random) -> None:
    for start, end in rng.sample(directories(data), k=min(1, len(directories(data)))):
        places = rng.sample(range(start + 10, end - 4, 12), 2)
        values = [bytes(data[place : place + 4]) for place in places]
        for place, value in zip(places, reversed(values), strict=True):
            data[place : place + 4] = value


def huge(data: bytearray, rng: random.Random) -> None:
    """Width, height or a tile's side far beyond any scanner's."""
    for start, end in directories(data):
        for entry in range(start + 2, end - 4, 12):
            if struct.unpack_from("<H", data, entry)[0] in {256, 257, 322, 323} and rng.random() < 0.5:
                struct.pack_into("<HII", data, entry + 2, 4, 1, rng.choice([2**17, 2**20, 2**31 - 1, 2**32 - 1]))


def circle(data: bytearray, rng: random.Random) -> None:
    """A directory that is followed by itself or one before it."""
    ranges = directories(data)
    if ranges:
        at = rng.randrange(len(ranges))
        struct.pack_into("<I", data, ranges[at][1] - 4, ranges[rng.randint(0, at)][0])


_MISLEADING = {
    254: (0, 1, 8, 9),
    259: (1, 5, 7, 8, 33003, 33005, 34712, 50001),
    262: (0, 1, 2, 3, 5, 6),
    277: (1, 3, 4),
    284: (1, 2),
}
"""Flags, compression, colours, samples and planes: values that are well formed, and mostly wrong."""
_DESCRIPTION, _ORIENTATION = 270, 274


def mislead(data: bytearray, rng: random.Random) -> None:
    """Headers that are well formed and wrong, another orientation, or levels in another order."""
    ranges = directories(data)
    for start, end in ranges:
        for entry in range(start + 2, end - 4, 12):
            tag = struct.unpack_from("<H", data, entry)[0]
            if tag in _MISLEADING and rng.random() < 0.2:
                struct.pack_into("<HII", data, entry + 2, 3, 1, rng.choice(_MISLEADING[tag]))
            if tag == _DESCRIPTION and rng.random() < 0.2:
                struct.pack_into("<HHII", data, entry, _ORIENTATION, 3, 1, rng.randint(0, 9))
    if len(ranges) > 1 and rng.random() < 0.3:
        order = rng.sample(ranges, len(ranges))
        struct.pack_into("<I", data, 4, order[0][0])
        for (_, end), following in zip(order, [*(start for start, _ in order[1:]), 0], strict=True):
            struct.pack_into("<I", data, end - 4, following)


def fill_up(data: bytearray, rng: random.Random) -> None:
    """Sides that count whole tiles, or a tile more or less."""
    for start, end in directories(data):
        places = {struct.unpack_from("<H", data, entry)[0]: entry + 8 for entry in range(start + 2, end - 4, 12)}
        for side, tile in ((256, 322), (257, 323)):
            if side in places and tile in places and rng.random() < 0.7:
                (full,), (step,) = (struct.unpack_from("<H", data, places[tag]) for tag in (side, tile))
                full = max(1, -(-full // max(1, step)) + rng.randint(-1, 1)) * step
                struct.pack_into("<HII", data, places[side] - 6, 4, 1, full)


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_directory_bits,
    truncate,
    overwrite,
    edit_tag,
    swap_offsets,
    huge,
    circle,
    mislead,
    fill_up,
)


def mutated(original: bytes, seed: int) -> tuple[str, bytes]:
    """(the mutation's name, the damaged file)."""
    rng, data = random.Random(seed), bytearray(original)
    mutation = MUTATIONS[seed % len(MUTATIONS)]
    mutation(data, rng)
    return mutation.__name__, bytes(data)
