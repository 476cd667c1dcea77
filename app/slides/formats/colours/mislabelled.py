"""Finds levels whose colours the header describes wrongly.

Some converters write such headers, and OpenSlide trusts the header: pink tissue turns teal on salmon.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import openslide

from app.slides.formats import reader_sentences as sentences
from app.slides.formats.codestream import Colours
from app.slides.formats.colours.channels import judge_channels
from app.slides.formats.colours.colour_claims import NAMES, Claim, read_claims
from app.slides.formats.colours.samples import sampled
from app.slides.formats.finding import FoundSlide
from app.warning import coded


@dataclass(frozen=True)
class Mislabelled:
    """``levels``: true colours of each such level, by OpenSlide's number. ``warning``: for the result."""

    levels: Mapping[int, Colours]
    warning: str


def find_mislabelled(slide: openslide.OpenSlide, found: FoundSlide) -> Mislabelled:
    """Empty if header and tiles of all levels agree. ``slide``: the open ``found``, as OpenSlide reads it.

    Raises SlideUnsupportedError if tiles contradict each other; SlideCorruptError, OpenSlideError, OSError.
    """
    claims = read_claims(slide, found)
    judged = {claim: _judged(slide, claims, claim) for claim in {*claims.values()}}
    wrong = {number: judged[claim] for number, claim in claims.items() if judged[claim] != claim.shown}
    if not wrong:
        return Mislabelled({}, "")
    number = min(wrong)
    return Mislabelled(wrong, _warning(claims[number], wrong[number]))


def _judged(slide: openslide.OpenSlide, claims: Mapping[int, Claim], claim: Claim) -> Colours:
    """The colours of levels with this claim: from the tiles, else from the pixels, else from the header.

    A JPEG that does not say is as its header says: that is how scanners write it.
    """
    if claim.codestream is not None:
        return claim.codestream
    if claim.codec == "JPEG" or claim.shown != "rgb":
        return claim.meant
    alike = [number for number, other in claims.items() if other == claim]
    coarsest = max(alike, key=lambda number: slide.level_downsamples[number])
    pixels = sampled(slide, coarsest)
    return judge_channels(pixels[pixels[:, 3] == 255, :3]) or claim.meant


def _warning(claim: Claim, true: Colours) -> str:
    sentence = sentences.COLOURS_CORRECTED(
        container=claim.container, codec=claim.codec, header_colours=claim.header, true_colours=NAMES[true]
    )
    return coded("colours_corrected", sentence)
