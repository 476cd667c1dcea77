"""The sentences beside every picture and number. Pure functions: tests hold them to the rules.

Shared attention carries no class, so no sentence about it names one; nothing is ever called a diagnosis.
"""

from app.results.heads import ShownMap
from app.results.schema import PredictionPart, ResultDocument
from app.slides.formats.catalogue import format_of

NOT_A_DIAGNOSIS = "Not a diagnosis."
MPP_SOURCES = {
    "request": "given with the request",
    "file": "from the file",
    "objective_power": "from objective power",
}
_PROCESSORS = {"CPUExecutionProvider": "the processor", "CUDAExecutionProvider": "the graphics card"}
STAINS = {True: "H&E", False: "not H&E", None: "too little tissue to tell"}


def scan_format(vendor: str) -> str:
    """OpenSlide's name of a format, as its maker writes it."""
    known = format_of(vendor)
    return known.maker or known.name


def processor(provider: str) -> str:
    """What an execution provider runs on."""
    return _PROCESSORS.get(provider, provider)


def plain(name: str) -> str:
    """A task's or a class's name as people write it: underscores are for programs."""
    return name.replace("_", " ")


def percent(fraction: float) -> str:
    """A fraction, 0 to 1, in percent."""
    return f"{100 * fraction:.1f} %" if fraction else "0 %"


def map_title(shown: ShownMap) -> str:
    """Heading of a picture of one task."""
    task, tiles = plain(shown.prediction.task), shown.tiles
    if tiles is None:
        return f"Tissue · {task}"
    if tiles.quantity == "tile_scores" and tiles.label is not None:
        return f"Tile scores for “{plain(tiles.label)}” · {task}"
    return f"Attention map · {task}" if tiles.label is None else f"Attention for “{plain(tiles.label)}” · {task}"


def map_legend(shown: ShownMap) -> str:
    """What the colours mean, and what they do not."""
    tiles = shown.tiles
    if tiles is None:
        return "This model gives no map. The image shows the tissue only, no findings of the model."
    if tiles.label is None:
        return SHARED_ATTENTION_LEGEND
    if tiles.quantity == "attention":
        return (
            f"Colour shows how much each tile counted when the model scored “{plain(tiles.label)}”, "
            "ranked within this slide. It does not outline a lesion."
        )
    return (
        f"Colour shows the model's score of each single tile for “{plain(tiles.label)}”, ranked within this slide. "
        "The highest score may still be low. The model was trained without outlines, so the map does not outline a "
        "lesion. Scores have no unit and are not probabilities."
    )


def top_tiles_title(shown: ShownMap) -> str:
    """Heading of the highest tiles of the map."""
    tiles = shown.tiles
    if tiles is None or tiles.label is None:
        return "Tiles with most attention (not evidence of tumour)"
    return f"Highest {'scores' if tiles.quantity == 'tile_scores' else 'attention'} for {plain(tiles.label)}"


SHARED_ATTENTION_LEGEND = (
    "Colour shows where the model looked, not where tumour is. It ranks the tiles of this slide "
    "and is the same for all classes."
)


def attention_legend(prediction: PredictionPart) -> str:
    """What the attention in the result's files means."""
    if prediction.attention_kind == "none":
        return "This model gives no attention."
    if prediction.attention_kind == "per_class":
        return "Attention shows how much each tile counted when the model scored a class. It does not outline a lesion."
    return SHARED_ATTENTION_LEGEND


def kind_words(prediction: PredictionPart) -> str:
    """What the numbers are."""
    return "probability" if prediction.kind == "probability" else "uncalibrated score"


def kind_sentence(*, is_calibrated: bool) -> str:
    """The same as a sentence."""
    return "Calibrated probability." if is_calibrated else "Uncalibrated score, not a probability."


TISSUE_LEGEND = "What was taken for tissue, at about 16 µm/px. Only tiles with enough of it were analysed."


def qc_legend(judged: int, tiles: int) -> str:
    """What the quality layer shows; ``judged`` of ``tiles`` were examined for focus."""
    return (
        "Ink, folds and dirt are not counted as tissue, but tiles that contain enough tissue are analysed whole. "
        f"Focus was examined on {judged} of {tiles} tiles. Tiles out of focus were analysed too."
    )


def state_sentence(prediction: PredictionPart) -> str:
    """How far the head may be trusted: untrained, trained but not validated, or validated for a stated use."""
    standing = standing_sentence(
        is_trained=prediction.trained, is_validated=prediction.validated, intended_use=prediction.intended_use
    )
    return f"{standing} {NOT_A_DIAGNOSIS}"


def standing_sentence(*, is_trained: bool, is_validated: bool, intended_use: str) -> str:
    """The same without the last words."""
    if not is_trained:
        return "UNTRAINED model: research and integration testing only, no medical meaning."
    if not is_validated:
        return "NOT VALIDATED: research use only."
    return f"Model validated for its intended use only ({intended_use.rstrip('.')})."


NOT_COUNTED = "Not valid for this slide."
NOT_VALID_HERE = "Not valid for this slide: its stain or organ is outside the model's domain."


def bag_sentence(tiles: int, least: int, most: int) -> str | None:
    """Compares the slide's tissue with that of the training slides; None if it is in their range.

    ``least`` and ``most``: tiles of their smallest and largest.
    """
    if least <= tiles <= most:
        return None
    more, count = ("more" if tiles > most else "less"), ("1 tile" if tiles == 1 else f"{tiles} tiles")
    return (
        f"This slide has {more} tissue ({count}) than any the model was trained on ({least} to {most}): "
        "its score is less certain."
    )


def domain_sentence(prediction: PredictionPart, document: ResultDocument) -> str | None:
    """The warning where the slide lies outside what the head knows, else None."""
    if prediction.in_domain:
        return None
    if prediction.is_meaningful:
        size = prediction.bag_size
        return bag_sentence(document.tiling.tissue_tiles, size.least_tiles, size.most_tiles)
    return NOT_VALID_HERE


def origin_sentence(document: ResultDocument) -> str:
    """One line that ties a picture to slide and model, without a file name."""
    slide, tiling, model = document.slide, document.tiling, document.model
    tiles = "1 tile" if tiling.tissue_tiles == 1 else f"{tiling.tissue_tiles} tiles"
    scan = f"scanned at {slide.mpp:.4g} µm/px"
    if slide.mpp_source == "request":
        scan = f"{slide.mpp:.4g} µm/px as given with the request"
    return (
        f"{tiles} of {tiling.tile_px} px at {tiling.tile_mpp:g} µm/px · line: tissue outline · "
        f"{scan} · {model.name} {model.version} · slide {slide.sha256[:12]}"
    )
