"""Data in an OME-TIFF's XML, which OpenSlide does not read: the images and their pixel size.

Source: the OME data model, schema 2016-06 (Pixels: PhysicalSizeX and PhysicalSizeY, by default in µm; TiffData: each
file of a set describes the images of all, and names by UUID the file that holds each).
"""

from collections.abc import Mapping, Sequence
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
    pixels = ome_image(properties, ome_images(properties)) or {}
    x, y = (_um(pixels, f"PhysicalSize{axis}") for axis in "XY")
    return None if x is None and y is None else (x or "", y or "")


def ome_images(properties: Mapping[str, str]) -> list[Mapping[str, str]]:
    """The attributes of the Pixels element of each image in this file, and the image's ``Name``; none where there is no
    OME XML.

    Images in other files of a set are left out. If the XML is broken, the part before the error is used.
    """
    text = properties.get(DESCRIPTION, "").strip()
    if "OME" not in text[:_HEAD_CHARACTERS] or "<!DOCTYPE" in text:
        return []
    images = _Images()
    parser = ElementTree.XMLParser(target=images)  # noqa: S314 - no DOCTYPE, nothing kept, in a process that is shut in
    try:
        parser.feed(text)
        parser.close()
    except ElementTree.ParseError:
        pass
    return [found for found, files in images.found if not files or images.file in files]


def ome_image(properties: Mapping[str, str], images: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """The one of ``images`` that OpenSlide shows: that of the slide's size, else the first without a stated size.

    None if no image matches, because a copy may have been resized.
    """
    size = tuple(properties.get(name, "") for name in _SIZE)
    for wanted in (size, (None, None)):
        for pixels in images:
            if (pixels.get("SizeX"), pixels.get("SizeY")) == wanted:
                return pixels
    return None


def ome_pixel_um(pixels: Mapping[str, str]) -> float | None:
    """The size of a pixel along x in µm; None if it is not stated or not a length."""
    try:
        return float(_um(pixels, "PhysicalSizeX") or "")
    except ValueError:
        return None


class _Images:
    """An XML parser's target that keeps the attributes of each Pixels element and its image's name only.

    ``found``: images with the UUIDs of their files, if stated. ``file``: this file's UUID.
    """

    def __init__(self) -> None:
        self.found: list[tuple[dict[str, str], set[str]]] = []
        self.file = ""
        self.is_ome = False
        self._is_root, self._name = True, ""
        self._uuid: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = tag.rpartition("}")[2]
        if self._is_root:
            self.is_ome, self._is_root = name == "OME", False
            self.file = attributes.get("UUID", "")
        if name == "Image":
            self._name = attributes.get("Name", "")
        if name == "Pixels" and self.is_ome:
            self.found.append(({**attributes, "Name": self._name}, set()))
        if name == "UUID" and self.file:
            self._uuid = []

    def data(self, text: str) -> None:
        """Text, maybe a part of it."""
        if self._uuid is not None:
            self._uuid.append(text)

    def end(self, _tag: str) -> None:
        """An element ends."""
        if self._uuid is not None and self.found:
            self.found[-1][1].add("".join(self._uuid).strip())
        self._uuid = None


def _um(pixels: Mapping[str, str], name: str) -> str | None:
    size, unit = pixels.get(name), pixels.get(f"{name}Unit", "µm").strip()
    if size is None:
        return None
    try:
        return f"{float(size) * _UM_PER_UNIT[unit]:.10g}"
    except (ValueError, KeyError):
        return f"{size} {unit}"
