import pytest

from app.errors import MppImplausibleError, MppMissingError
from app.slides.formats.metadata import resolve_mpp
from app.slides.formats.tiff.ome import DESCRIPTION, ome_images, ome_mpp

LEVEL_0 = "openslide.level[0].{}"
NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome(pixels: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> dict[str, str]:
    return {DESCRIPTION: f'{head}<OME xmlns="{NAMESPACE}"><Image ID="Image:0"><Pixels {pixels}/></Image></OME>'}


@pytest.mark.parametrize(
    ("pixels", "mpp"),
    [
        ('PhysicalSizeX="0.2501" PhysicalSizeY="0.2499"', (0.2501, 0.2499)),
        ('PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="0.00025" PhysicalSizeYUnit="mm"', (0.25, 0.25)),
        (
            'PhysicalSizeX="2.5e-5" PhysicalSizeXUnit="cm" PhysicalSizeY=".25" PhysicalSizeYUnit="\u03bcm"',
            (0.25, 0.25),
        ),
    ],
)
def test_the_size_is_read_in_its_unit_and_before_the_tiffs_own(pixels: str, mpp: tuple[float, float]):
    given = {**ome(pixels), "openslide.mpp-x": "352.8", "openslide.mpp-y": "352.8"}  # 72 dpi: what many writers leave
    assert resolve_mpp(given, None) == (*mpp, "file")
    assert resolve_mpp(given, 0.5) == (0.5, 0.5, "request")


def test_the_image_of_the_slides_size_counts():
    """A file of several may carry the XML of all; a resized copy that of the original."""
    images = [
        f'<Image><Pixels SizeX="{x}" SizeY="20" PhysicalSizeX="{mpp}" PhysicalSizeY="{mpp}"/></Image>'
        for x, mpp in ((30, 2), (40, 0.25))
    ]
    given = {DESCRIPTION: f'<OME xmlns="{NAMESPACE}">{"".join(images)}</OME>', LEVEL_0.format("height"): "20"}
    assert ome_mpp({**given, LEVEL_0.format("width"): "40"}) == ("0.25", "0.25")
    assert ome_mpp({**given, LEVEL_0.format("width"): "30"}) == ("2", "2")
    assert ome_mpp({**given, LEVEL_0.format("width"): "80"}) is None


@pytest.mark.parametrize("prefix", ["", "\n", "<!-- Warning: this comment is an OME-XML metadata block. -->"])
def test_what_stands_before_the_root_does_not_matter(prefix: str):
    given = ome('PhysicalSizeX="0.25" PhysicalSizeY="0.25"', prefix)
    given[DESCRIPTION] = given[DESCRIPTION].replace("<OME xmlns", "<ome:OME xmlns:ome").replace("</OME", "</ome:OME")
    assert ome_mpp(given) == ("0.25", "0.25")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {DESCRIPTION: "Aperio Image Library|MPP = 0.25"},
        ome('SizeX="5"'),
        ome("SizeC='3'"),
        {DESCRIPTION: '<scn><Pixels PhysicalSizeX="1" PhysicalSizeY="1"/><OME/></scn>'},
        {DESCRIPTION: "<OME><Image><Pix"},
        {DESCRIPTION: "<OME <<<"},
        ome('PhysicalSizeX="&a;" PhysicalSizeY="&a;"', '<!DOCTYPE x [<!ENTITY a "0.25">]>'),
    ],
)
def test_what_says_no_size_has_none(given: dict[str, str]):
    assert ome_mpp(given) is None
    with pytest.raises(MppMissingError):
        resolve_mpp(given, None)


@pytest.mark.parametrize(
    "pixels",
    [
        'PhysicalSizeX="0.25"',
        'PhysicalSizeX="1" PhysicalSizeXUnit="pixel" PhysicalSizeY="1" PhysicalSizeYUnit="pixel"',
        'PhysicalSizeX="0.25" PhysicalSizeXUnit="\ufffdm" PhysicalSizeY="0.25" PhysicalSizeYUnit="\ufffdm"',
    ],
)
def test_a_size_that_cannot_be_understood_is_not_replaced(pixels: str):
    with pytest.raises(MppImplausibleError, match=r"not a valid number: .* as mpp"):
        resolve_mpp({**ome(pixels), "openslide.mpp-x": "1", "openslide.mpp-y": "1"}, None)


@pytest.mark.parametrize("size", ["abc", "-1", "nan", "1e9"])
def test_a_bogus_size_is_refused_and_not_replaced(size: str):
    with pytest.raises(MppImplausibleError, match="as mpp"):
        resolve_mpp(ome(f'PhysicalSizeX="{size}" PhysicalSizeY="{size}"'), None)


def set_of_files(this: str) -> dict[str, str]:
    """What a file of a set says, whose UUID is ``this``: a.ome.tif has an image of 2 µm/px, b.ome.tif one of 1."""
    images = [
        f'<Image ID="Image:{name}" Name="{name}"><Pixels SizeX="40" SizeY="20" PhysicalSizeX="{mpp}" '
        f'PhysicalSizeY="{mpp}"><TiffData IFD="0"><UUID FileName="{name}.ome.tif">urn:uuid:{name}</UUID></TiffData>'
        "</Pixels></Image>"
        for name, mpp in (("a", 2), ("b", 1))
    ]
    text = f'<OME xmlns="{NAMESPACE}"{this}>{"".join(images)}</OME>'
    return {DESCRIPTION: text, LEVEL_0.format("width"): "40", LEVEL_0.format("height"): "20"}


@pytest.mark.parametrize(("this", "mpp"), [("a", "2"), ("b", "1")])
def test_of_a_set_of_files_the_image_of_this_file_counts(this: str, mpp: str):
    given = set_of_files(f' UUID="urn:uuid:{this}"')
    assert ome_mpp(given) == (mpp, mpp)
    assert [image["Name"] for image in ome_images(given)] == [this]


def test_an_image_that_lies_in_other_files_says_nothing_of_this_one():
    assert ome_mpp(set_of_files(' UUID="urn:uuid:c"')) is None


def test_a_file_without_a_uuid_is_not_told_apart():
    assert len(ome_images(set_of_files(""))) == 2
