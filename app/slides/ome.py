"""The pixel size that an OME-TIFF states in its XML, where OpenSlide does not look.

Source: the OME data model, schema 2016-06 (Pixels: PhysicalSizeX and PhysicalSizeY, by default in µm).
"""

import io
from collections.abc import Mapping
from xml.etree import ElementTree

DESCRIPTION = "tiff.ImageDescription"
_UM_PER_UNIT = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3}


def ome_mpp(properties: Mapping[str, str]) -> tuple[str, str] | None:
    """(x, y) in µm/px as the first image's XML says, in OpenSlide's manner not yet judged; None where it does not."""
    text = properties.get(DESCRIPTION, "")
    if "<OME" not in text or "<!DOCTYPE" in text:
        return None
    pixels = _first_pixels(text)
    sizes = [_um(pixels, f"PhysicalSize{axis}") for axis in "XY"]
    return (sizes[0], sizes[1]) if sizes[0] is not None and sizes[1] is not None else None


def _first_pixels(text: str) -> Mapping[str, str]:
    """The attributes of the first Pixels element; none where there is none or the XML is broken before it."""
    try:
        for _, element in ElementTree.iterparse(io.StringIO(text), ("start",)):  # noqa: S314 - no DOCTYPE, shut in
            if element.tag.rpartition("}")[2] == "Pixels":
                return dict(element.attrib)
    except ElementTree.ParseError:
        pass
    return {}


def _um(pixels: Mapping[str, str], name: str) -> str | None:
    size, factor = pixels.get(name), _UM_PER_UNIT.get(pixels.get(f"{name}Unit", "µm"))
    if size is None or factor is None:
        return None
    try:
        return f"{float(size) * factor:.10g}"
    except ValueError:
        return size
