"""The pixel size that an OME-TIFF states in its XML, where OpenSlide does not look.

Source: the OME data model, schema 2016-06 (Pixels: PhysicalSizeX and PhysicalSizeY, by default in µm).
"""

from collections.abc import Mapping
from xml.etree import ElementTree

DESCRIPTION = "tiff.ImageDescription"
_SIZE = ("openslide.level[0].width", "openslide.level[0].height")
_HEAD_CHARACTERS = 4096
"""A comment of the writer's may stand before the root element."""
_UM_PER_UNIT = {
    **{"m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6, "Å": 1e-4},
    **{"in": 25_400.0, "ft": 304_800.0, "thou": 25.4},
}


def ome_mpp(properties: Mapping[str, str]) -> tuple[str, str] | None:
    """(x, y) in µm/px as the XML says of this image, in OpenSlide's manner not yet judged; None where it does not.

    A size in a unit that is none of length comes out as the words that the file has: no number, which is refused.
    """
    text = properties.get(DESCRIPTION, "").strip()
    if "OME" not in text[:_HEAD_CHARACTERS] or "<!DOCTYPE" in text:
        return None
    pixels = _pixels(text, tuple(properties.get(name, "") for name in _SIZE))
    x, y = (_um(pixels, f"PhysicalSize{axis}") for axis in "XY")
    return None if x is None and y is None else (x or "", y or "")


class _Images:
    """Hears an XML parser and keeps the attributes of each Pixels element, and nothing else."""

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []
        self.is_ome = False
        self._is_root = True

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = tag.rpartition("}")[2]
        if self._is_root:
            self.is_ome, self._is_root = name == "OME", False
        if name == "Pixels" and self.is_ome:
            self.found.append(attributes)


def _pixels(text: str, size: tuple[str, ...]) -> Mapping[str, str]:
    """The attributes of the image of ``size``, else of the first that states none; a copy may have been resized.

    What stands before broken XML counts; no attributes where no image is meant.
    """
    images = _Images()
    parser = ElementTree.XMLParser(target=images)  # noqa: S314 - no DOCTYPE, nothing kept, in a process that is shut in
    try:
        parser.feed(text)
        parser.close()
    except ElementTree.ParseError:
        pass
    for wanted in (size, (None, None)):
        for pixels in images.found:
            if (pixels.get("SizeX"), pixels.get("SizeY")) == wanted:
                return pixels
    return {}


def _um(pixels: Mapping[str, str], name: str) -> str | None:
    size, unit = pixels.get(name), pixels.get(f"{name}Unit", "µm").strip()
    if size is None:
        return None
    try:
        return f"{float(size) * _UM_PER_UNIT[unit]:.10g}"
    except (ValueError, KeyError):
        return f"{size} {unit}"
