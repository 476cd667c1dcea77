from app.viewer.tile_cache import TileCache


def test_bytes_are_bounded_and_the_least_used_goes_first():
    cache = TileCache(100)
    for number in range(4):
        cache.put("a", str(number), bytes(25))
    assert cache.get("a", "0") == bytes(25)
    cache.put("b", "0", bytes(25))
    assert cache.get("a", "1") is None
    assert cache.get("a", "0") is not None
    cache.put("b", "large", bytes(101))
    assert cache.names() == set()


def test_a_slide_is_forgotten_as_a_whole():
    cache = TileCache(100)
    cache.put("a", "0", b"one")
    cache.put("a", "0", b"two")
    cache.put("b", "0", b"three")
    assert cache.get("a", "0") == b"two"
    cache.forget("a")
    assert cache.get("a", "0") is None
    assert cache.names() == {"b"}
    cache.forget("b")
    assert cache._bytes == 0
