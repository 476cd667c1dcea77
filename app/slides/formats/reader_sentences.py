"""The sentences of reader processes: why a slide is refused, and what to do; and what warnings say.

Errors and warnings with another text do not pass ``app.slides.sandbox.protocol``.
"""

from app.slides.formats.catalogue import ACCEPTED
from app.slides.formats.sentence import Sentence

# Files
NO_FILE = Sentence("There is no file at the slide's path.")
FILES_MISSING = Sentence("There is no file at the slide's path, or not all of its files are there.")
EMPTY_FILE = Sentence("The file is empty: its size is 0 bytes. Send it again.")
NO_SLIDE_HERE = Sentence(f"There is no slide here. {ACCEPTED}")
SEVERAL_SLIDES = Sentence("There are {count} slides here. Send one slide at a time.")
NO_READER = Sentence(f"No reader recognises this file as a slide. {ACCEPTED}")
SPECIAL_FILE = Sentence("There is a pipe, device or socket where the slide's files should be: give a file or folder.")
TOO_MANY_ENTRIES = Sentence(
    "The slide's folder holds more than {entries} files and folders: put the slide into a folder of its own."
)
TOO_MANY_NAMES = Sentence("The slide has too many files, or their names are too long.")
UNSAFE_INDEX = Sentence(
    "The slide's index file names a file outside the slide's own folder, or something that is not a regular file. "
    "Send the slide as the scanner wrote it."
)
LINK_IN_PATH = Sentence("The slide's path contains a link. Send the request again with the link's target path.")
NOT_PERMITTED = Sentence("The server may not read the slide: check the permissions of its files.")
STORAGE_FAILS = Sentence(
    "The storage that the slide lies on does not answer as it should ({system_error}): check the disk or the share, "
    "then try again."
)
TOO_LITTLE_MEMORY = Sentence("The slide needs more memory to be read than is allowed for one.")
NOT_OPEN = Sentence("No slide is open.")
NOT_SURVEYED = Sentence("No slide has been surveyed.")

# Damage
UNREADABLE = Sentence("The slide cannot be read: it is damaged or incomplete. Copy it again.")
CANNOT_OPEN = Sentence("The slide cannot be opened: it is damaged or incomplete. Export or copy it again.")
INCONSISTENT = Sentence("The slide's metadata is inconsistent: the file is probably damaged. Export or copy it again.")
UNDECODABLE = Sentence(
    "The slide opens, but part of its image cannot be decoded: it is damaged or incomplete. Export or copy it again."
)
LEVEL_UNDECODABLE = Sentence(
    "A level of the slide cannot be decoded: it is damaged or incomplete. Export or copy it again."
)
LEVEL_EMPTY = Sentence("A level of the slide has no pixels: the file is damaged.")
SIZE_IMPOSSIBLE = Sentence("The slide claims an impossible size of {width} × {height} px.")
LARGER_THAN_GLASS = Sentence("The slide claims {width} × {height} px at {mpp:g} µm/px: larger than any glass.")
TIFF_LOOP = Sentence("The TIFF's directories form a loop: the file is damaged.")
TIFF_CUT_OFF = Sentence(
    "The file ends before its image does: it was cut off while it was copied or sent. Send it again."
)
TIFF_TILE_SIZE = Sentence("The slide's tiles claim to be {width} × {height} px: the file is damaged.")
TIFF_TOO_FEW_TILES = Sentence("The slide claims to be larger than its tiles are: the file is damaged.")
DICOM_HEADER = Sentence(
    "The header of a DICOM file cannot be read: the file is damaged or incomplete. Export or copy it again."
)
DICOM_NO_SIZE = Sentence("A DICOM image of the slide does not state its series or its size. Export it again.")

# Resolution
_SEND_MPP = "send the slide's true resolution as mpp (µm/px; --mpp on the command line)"
MPP_MISSING = Sentence(f"The file says neither its resolution nor its objective power: {_SEND_MPP}.")
MPP_MISSING_DICOM = Sentence(f"The DICOM headers have no Pixel Spacing that applies to all frames: {_SEND_MPP}.")
MPP_NO_LENGTH = Sentence(f"The resolution given by {{origin}} is not a valid number: {_SEND_MPP}.")
MPP_OUT_OF_RANGE = Sentence(
    f"According to {{origin}} a pixel measures {{measured}} µm; slides lie between {{low:g}} and {{high:g}}: "
    f"{_SEND_MPP}."
)
MPP_NOT_SQUARE = Sentence(
    f"According to {{origin}} a pixel measures {{measured}} µm, more than 2 % apart in x and y: {_SEND_MPP}."
)
MPP_TOO_COARSE = Sentence(
    f"According to {{origin}} the scan has {{measured}} µm/px; at most {{high:g}} can be analysed. Scan at a "
    f"higher magnification. If that is not its resolution, {_SEND_MPP}."
)
SCAN_TOO_COARSE = Sentence("The scan has {mpp:g} µm/px, the model needs {needed:g}: scan at a higher magnification.")

# Kinds of TIFF
_CONVERT = "Convert the slide to a pyramidal TIFF of 8-bit RGB with JPEG tiles."
TIFF_COMPRESSION = Sentence(f"TIFF compression {{compression}} ({{compression_name}}) is not supported. {_CONVERT}")
TIFF_BIG_ENDIAN = Sentence(
    "Big-endian classic TIFF is not supported. Convert the slide to a little-endian TIFF or to BigTIFF."
)
TIFF_ORIENTATION = Sentence(
    "The TIFF's Orientation tag is {orientation}. Tiles of this compression are read correctly only with Orientation "
    "1. Convert the slide to Orientation 1 (top left), or to JPEG tiles."
)
TIFF_GREY = Sentence(f"The TIFF contains {{channels}}, not RGB bright-field pixels. {_CONVERT}")
TIFF_SAMPLES = Sentence(
    f"The TIFF has {{samples}} samples per pixel with PhotometricInterpretation {{photometric_tag}}. {_CONVERT}"
)
TIFF_BITS = Sentence(f"The TIFF has {{bits}} bits per sample; 8 and 16 are supported. {_CONVERT}")
TIFF_NOT_UNSIGNED = Sentence(f"The TIFF has {{samples_kind}} samples; unsigned ones are supported. {_CONVERT}")
TIFF_PREDICTOR = Sentence(f"The TIFF's Predictor is 3 (floating point): not supported. {_CONVERT}")
TIFF_EXTRA_SAMPLES = Sentence(
    f"The TIFF has {{samples}} samples per pixel: RGB and others whose meaning it does not state. {_CONVERT}"
)
TIFF_LARGER_LATER = Sentence(
    "The file begins with an image of {width} × {height} px but contains a larger one of {larger_width} × "
    "{larger_height} px. It is unclear which image the resolution belongs to. Convert it to a TIFF with the largest "
    "image first."
)
TIFF_ODD_LEVEL = Sentence(
    "The file contains an image of {width} × {height} px that is marked as a level of the slide but does not have its "
    "shape. Convert the slide to a TIFF without it."
)
TIFF_THUMBNAIL_FIRST = Sentence(
    "The TIFF begins with an image of {width} × {height} px that is not tiled, such as a thumbnail. The slide comes "
    "after it. Convert it to a TIFF that begins with the slide's largest image."
)

# Other kinds
_EXPORT = "Export the slide as a pyramidal TIFF of 8-bit RGB with JPEG tiles"
CZI_COMPRESSION = Sentence(
    f"CZI compression {{czi_compression}} is not supported. {_EXPORT}, or as a CZI without compression or with "
    "Zstandard."
)
CZI_PIXELS = Sentence(f"CZI pixel type {{czi_pixels}} is not supported. {_EXPORT}.")
CZI_PLANES = Sentence(
    "The CZI file contains {count} {axis}. It is unclear which of them is shown. Export one of them, or one image with "
    "extended focus."
)
SCN_SCENES = Sentence(
    "The SCN file contains several scenes that were scanned differently. Export each of them as a file of its own."
)
OME_IMAGES = Sentence(
    "The OME-TIFF describes {count} images, none of which has the size of its first one. Which of them the file "
    "contains is not certain. Export each scene as a file of its own."
)

# Kinds of DICOM
_DICOM_CONVERT = (
    "Convert the slide to 8-bit RGB in one focal plane, with JPEG Baseline, JPEG 2000 or uncompressed explicit "
    "little-endian frames."
)


def _dicom(kind: str) -> Sentence:
    return Sentence(f"DICOM {kind}: not supported. {_DICOM_CONVERT}")


DICOM_SYNTAX = _dicom("transfer syntax {syntax}")
DICOM_ORGANIZATION = _dicom("images organised as {organization}")
DICOM_OPTICAL_PATHS = _dicom("images with {count} optical paths")
DICOM_FRAMES = _dicom("images with several frames of one place, such as optical paths or focal planes")
DICOM_FOCAL_PLANES = _dicom("images with {count} focal planes")
DICOM_MONOCHROME = _dicom("monochrome images ({photometric})")
DICOM_BITS = _dicom("images of {bits} bits per sample")
DICOM_PHOTOMETRIC = _dicom("{photometric} with {syntax}")
DICOM_NOT_A_SLIDE = Sentence(
    "This DICOM file is not a slide ({kinds}). Name a file of a VL Whole Slide Microscopy series."
)
DICOM_NO_SLIDE = Sentence(
    "There is no slide among these DICOM files ({kinds}). Send the series of VL Whole Slide Microscopy images."
)
DICOM_NO_VOLUME = Sentence(
    "The DICOM series contains only a label, overview or thumbnail and no slide image. Send the series with its VOLUME "
    "images."
)
DICOM_ONE_SIZE = Sentence(
    "The DICOM series contains two images of one size, which are not parts of one concatenation. Send each level once."
)
DICOM_NO_PREAMBLE = Sentence("The DICOM files lack the preamble of PS3.10. Export them as DICOM files.")
DICOM_OWNERS = Sentence(
    "The images of this DICOM series name different containers or accession numbers: they are not one slide. Send one "
    "slide at a time."
)

# Colours
DARK_BACKGROUND = Sentence(
    "The slide's background is dark: it is fluorescence or dark field, or its 16-bit pixels use only a part of their "
    "range. Send a bright-field scan, or convert it to 8-bit RGB."
)
COLOURS_WRONG = Sentence(
    "The slide's colours are wrong: its header describes them as {colours}, but its pixels look like {true_colours}. "
    "Convert the slide with a header that matches its pixels."
)
COLOURS_NOT_CORRECTED = Sentence(
    "The header describes the slide's colours as YCbCr, but its tiles contain RGB, and tiles of this kind cannot be "
    "corrected. Convert the slide with a header that matches its tiles."
)
COLOURS_MIXED = Sentence(
    "Some of the slide's tiles contain RGB and others YCbCr, although the header describes them alike. Convert the "
    "slide with tiles of one kind."
)
TRANSLUCENT = Sentence(
    "The slide is translucent: the alpha of its pixels is {alpha}, not 255. Its true colours are unclear. Convert the "
    "slide to RGB without an alpha channel."
)
JP2_FILES = Sentence(
    "The slide's JPEG 2000 tiles are JP2 files. Only bare codestreams are supported. Convert the slide."
)

# Warnings
COLOURS_CORRECTED = Sentence(
    "the {container} header describes the {codec} tiles as {header_colours}, but they contain {true_colours}. The "
    "colours were corrected. Report this to the maker of the software that wrote the file."
)
SCENES_LEFT_OUT = Sentence(
    "the file contains {count} scenes; only the first, of {width} × {height} px, was analysed. Export each scene as a "
    "file of its own."
)
PLANES_LEFT_OUT = Sentence(
    "the file contains {count} focal planes; only {plane} was analysed. If it is out of focus, export the best "
    "plane, or one image with extended focus."
)
TIMES_LEFT_OUT = Sentence("the file contains {count} time points; only the first was analysed.")
TISSUE_LEFT_OUT = Sentence(
    "the file lacks pixels of {area:.3f} mm² of tissue, which only a smaller image of the slide shows. This tissue was "
    "not analysed. Export the slide again."
)
TISSUE_NOT_SHOWN = Sentence(
    "the largest image of the slide lacks {area:.3f} mm² of tissue. A smaller image, which has it, was analysed. The "
    "viewer shows white there. Export the slide again."
)
AREA_NOT_STORED = Sentence(
    "the file lacks {area:.3f} mm² of the slide's largest image. This area was taken for glass, because no image of "
    "the slide shows it. Compare it with the glass slide, or export the slide again."
)
FEW_TILES = Sentence(
    "no tile holds {percent:.0f} % of tissue: the {count} fullest (at most {most:.1f} %) were analysed."
)


GENERAL = {
    "decoder_crashed": "The process that decoded the slide ended. The file may be damaged: export or copy it again.",
    "empty_upload": EMPTY_FILE,
    "mpp_implausible": f"The slide's resolution is implausible: {_SEND_MPP}.",
    "mpp_missing": f"The slide's resolution is missing: {_SEND_MPP}.",
    "not_a_slide": NO_READER,
    "resolution_too_low": "The scan's resolution is too low: scan at a higher magnification.",
    "slide_corrupt": CANNOT_OPEN,
    "slide_missing": FILES_MISSING,
    "slide_too_many_files": TOO_MANY_NAMES,
    "slide_unsafe": UNSAFE_INDEX,
    "slide_unsupported": f"This kind of slide is not supported. {_EXPORT}.",
    "source_changed": "The slide is not the one that was sent. Send the request again.",
    "storage_unavailable": "The storage that the slide lies on fails: check the disk or the share, then try again.",
}
"""By code: for an error that came with none of these sentences."""
REFUSED = "The slide cannot be analysed as it is."
"""For all other codes."""


def is_known(text: str) -> bool:
    """Whether ``text`` is one of the sentences of this module."""
    return any(sentence.matches(text) for sentence in globals().values() if isinstance(sentence, Sentence))
