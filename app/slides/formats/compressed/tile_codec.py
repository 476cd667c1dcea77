"""One compressed tile to pixels, or a refusal: what is not beyond doubt is left to OpenSlide's judgement.

simplejpeg (libjpeg-turbo) refuses at a decoder's first warning. OpenSlide refuses at some warnings and repairs after
others. So nothing comes out here that OpenSlide would not give.
Sources: ITU-T T.81 and T.872 (Adobe's APP14 names the colour transform); ITU-T T.800, annex A (SIZ).
"""

import io
import struct

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from app.slides.formats.codestream import is_dct_jpeg
from app.slides.formats.compressed.tiled_image import NotDirectError, TiledImage
from app.slides.types import UInt8Array

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
"""An APP14 segment but for its last byte, the colour transform: 0 RGB, 1 YCbCr."""
_JPEG_COLOURS = {"jpeg-rgb": ("RGB", b"\x00"), "jpeg-ycbcr": ("YCbCr", b"\x01")}
_SIZ = struct.Struct(">4sHH8IH9s")
_SIZ_HEAD = b"\xff\x4f\xff\x51"
_EIGHT_BITS_FULL_SIZE = b"\x07\x01\x01" * 3


def decode_tile(data: bytes, image: TiledImage) -> UInt8Array:
    """uint8 [tile_height, tile_width, 3] RGB of a tile. Raises NotDirectError where OpenSlide has to be asked."""
    if image.coding == "jpeg2000-rgb":
        return _decode_jpeg_2000(data, image)
    return _decode_jpeg(data, image)


def _decode_jpeg(data: bytes, image: TiledImage) -> UInt8Array:
    space, transform = _JPEG_COLOURS[image.coding]
    try:
        height, width, said, _ = simplejpeg.decode_jpeg_header(data)
        if image.jpeg_tables or said != space:
            tables = image.jpeg_tables.removeprefix(_SOI).removesuffix(_EOI)
            data = _SOI + _ADOBE + transform + tables + data.removeprefix(_SOI)
            height, width, said, _ = simplejpeg.decode_jpeg_header(data)
        # Asked before decoding, which takes the memory that the header wishes for.
        if (height, width) != (image.tile_height * image.shrink, image.tile_width * image.shrink) or said != space:
            raise NotDirectError(f"a JPEG tile of {width} × {height} px in {said}")
        if not is_dct_jpeg(data):  # libjpeg-turbo crashes where it is to shrink a lossless one
            raise NotDirectError("a JPEG tile that is lossless or coded arithmetically")
        least = {} if image.shrink == 1 else {"min_height": image.tile_height, "min_width": image.tile_width}
        pixels: UInt8Array = simplejpeg.decode_jpeg(data, "RGB", strict=True, **least)
    except ValueError as error:
        raise NotDirectError(f"a JPEG tile that is not whole ({error})") from error
    return pixels


def _decode_jpeg_2000(data: bytes, image: TiledImage) -> UInt8Array:
    width, height = image.tile_width, image.tile_height
    if len(data) < _SIZ.size:
        raise NotDirectError("a JPEG 2000 tile that is not whole")
    head, _, _, *sizes, channels, components = _SIZ.unpack_from(data)
    if (head, channels, components) != (_SIZ_HEAD, 3, _EIGHT_BITS_FULL_SIZE):
        raise NotDirectError("a JPEG 2000 tile that is not RGB of 8 bits")
    if tuple(sizes) != (width, height, 0, 0, width, height, 0, 0):
        raise NotDirectError(f"a JPEG 2000 tile with the sizes {sizes}")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG2000",)) as picture:
            pixels = np.asarray(picture)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise NotDirectError(f"a JPEG 2000 tile that cannot be decoded ({error})") from error
    if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
        raise NotDirectError("a JPEG 2000 tile that is not RGB of 8 bits")
    return pixels
