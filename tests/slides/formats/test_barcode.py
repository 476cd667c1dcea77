import base64

import numpy as np
import pytest

from app.slides.formats.barcode import header_barcode
from app.slides.formats.opening import open_slide
from tests.slides.make_tiff import page, write_tiff

PIXELS = np.full((600, 800, 3), 230, np.uint8)


def philips(barcode):
    """An image description with what OpenSlide's reader of Philips TIFFs asks for."""

    def attribute(name, value, kind="IString"):
        return f'<Attribute Name="{name}" Group="0x0000" Element="0x0000" PMSVR="{kind}">{value}</Attribute>'

    def array(name, kind, inside):
        return attribute(
            name, f'<Array><DataObject ObjectType="{kind}">{inside}</DataObject></Array>', "IDataObjectArray"
        )

    spacing = attribute("DICOM_PIXEL_SPACING", "&quot;0.0005&quot; &quot;0.0005&quot;", "IDoubleArray")
    sizes = attribute("PIIM_PIXEL_DATA_REPRESENTATION_COLUMNS", 800) + attribute(
        "PIIM_PIXEL_DATA_REPRESENTATION_ROWS", 600
    )
    level = spacing + attribute("PIIM_PIXEL_DATA_REPRESENTATION_NUMBER", 0) + sizes
    levels = array("PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE", "PixelDataRepresentation", level)
    image = array("PIM_DP_SCANNED_IMAGES", "DPScannedImage", attribute("PIM_DP_IMAGE_TYPE", "WSI") + spacing + levels)
    text = attribute("PIM_DP_UFS_BARCODE", base64.b64encode(barcode.encode()).decode()) + image
    return f'<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">{text}</DataObject>'


def test_an_aperio_scanners_barcode(tmp_path):
    words = "Aperio Leica Biosystems GT450\r\n800x600|AppMag = 20|MPP = 0.5|User = DOE^JANE|Barcode = S26-1-A1 \0"
    with open_slide(write_tiff(tmp_path / "s.svs", [page(PIXELS, {270: words.encode()})])) as opened:
        assert opened.info.vendor == "aperio"
        assert opened.info.barcode == "S26-1-A1"
        assert opened.info.identity is None
        assert "DOE" not in repr(opened.info)


def test_a_philips_scanners_barcode(tmp_path):
    tags = {305: b"Philips DP v1.0\0", 270: philips("S26-1-A1").encode() + b"\0"}
    with open_slide(write_tiff(tmp_path / "s.tiff", [page(PIXELS, tags)])) as opened:
        assert opened.info.vendor == "philips"
        assert opened.info.barcode == "S26-1-A1"


@pytest.mark.parametrize("text", ["", "  ", "x" * 65, "S26\n1", "S26\x07"])
def test_what_cannot_be_a_barcode_is_none(text):
    assert header_barcode({"aperio.Barcode": text}) is None


def test_file_names_and_image_numbers_are_no_barcodes():
    assert header_barcode({"aperio.Filename": "DOE", "aperio.ImageID": "1", "mirax.GENERAL.SLIDE_NAME": "DOE"}) is None
