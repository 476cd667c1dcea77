"""Pictures of slides kept in memory, the latest used ones, up to a number of bytes."""

import threading
from collections import OrderedDict


class TileCache:
    """By slide and name. Thread-safe; the picture not used for longest goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pictures: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, slide: str, name: str) -> bytes | None:
        """The picture, if it is kept."""
        with self._lock:
            found = self._pictures.get((slide, name))
            if found is not None:
                self._pictures.move_to_end((slide, name))
            return found

    def put(self, slide: str, name: str, picture: bytes) -> None:
        """Keep it, in place of what was not used for longest."""
        with self._lock:
            self._drop((slide, name))
            self._pictures[slide, name] = picture
            self._bytes += len(picture)
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._pictures)))

    def forget(self, slide: str) -> None:
        """Drop every picture of a slide."""
        with self._lock:
            for key in [key for key in self._pictures if key[0] == slide]:
                self._drop(key)

    def names(self) -> set[str]:
        """Slides of which something is kept."""
        with self._lock:
            return {slide for slide, _ in self._pictures}

    def _drop(self, key: tuple[str, str]) -> None:
        self._bytes -= len(self._pictures.pop(key, b""))
