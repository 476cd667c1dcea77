"""The sentences that stand beside every picture and number. Pure functions: tests hold them to the rules.

Shared attention carries no class, so no sentence about it names one; nothing is ever called a diagnosis.
"""

from app.results.schema import PredictionPart, ResultDocument
from app.warning import voids

NOT_A_DIAGNOSIS = "Not a diagnosis."
MPP_SOURCES = {
    "request": "given with the request",
    "file": "from the file",
    "objective_power": "from objective power",
}
_FORMATS = {"dicom": "DICOM", "generic-tiff": "TIFF"}
_PROCESSORS = {"CPUExecutionProvider": "the processor", "CUDAExecutionProvider": "the graphics card"}
STAINS = {True: "H&E", False: "not H&E", None: "too little tissue to tell"}


def scan_format(vendor: str) -> str:
    """OpenSlide's name of a format, as its maker writes it."""
    return _FORMATS.get(vendor, vendor.capitalize())


def processor(provider: str) -> str:
    """What an execution provider runs on."""
    return _PROCESSORS.get(provider, provider)


def plain(name: str) -> str:
    """A task's or a class's name as people write it: underscores are for programs."""
    return name.replace("_", " ")


def percent(fraction: float) -> str:
    """0 to 1 in words."""
    return f"{100 * fraction:.1f} %"


def attention_title(prediction: PredictionPart, label: str | None) -> str:
    """Heading of a picture: ``label`` is the class it shows, None for shared or no attention."""
    if prediction.attention_kind == "none":
        return f"Tissue · {plain(prediction.task)}"
    if prediction.attention_kind == "per_class" and label is not None:
        return f"Attention map for class “{plain(label)}” · {plain(prediction.task)}"
    return f"Attention map · {plain(prediction.task)}"


def attention_legend(prediction: PredictionPart, label: str | None) -> str:
    """What the colours mean, and what they do not."""
    if prediction.attention_kind == "none":
        return "This model gives no attention: the picture shows tissue only, nothing that the model found."
    if prediction.attention_kind == "per_class" and label is not None:
        return (
            f"Colour shows how much each tile counted when the model scored the class “{plain(label)}”, "
            "ranked within this slide. It is no outline of a lesion."
        )
    return (
        "Colour shows where the model looked, not where tumour is: it ranks the tiles of this slide "
        "and belongs to no class."
    )


def kind_words(prediction: PredictionPart) -> str:
    """What the numbers are."""
    return "probability" if prediction.kind == "probability" else "score, uncalibrated"


def tile_score_title(task: str, label: str) -> str:
    """Heading of a picture of tile scores."""
    return f"Tile scores for class “{plain(label)}” · {plain(task)}"


def tile_score_legend(label: str) -> str:
    """What the colours of tile scores mean, and what they do not."""
    return (
        f"Colour shows the score that the model gave each tile alone for the class “{plain(label)}”, "
        "within this slide. It was learnt from whole slides, without outlines, and is no outline of a lesion. "
        "The raw numbers have no unit and are no probabilities: the higher, the more the tile speaks for the class."
    )


TISSUE_LEGEND = "What was taken for tissue, at about 16 µm/px. Only tiles with enough of it were analysed."


def qc_legend(judged: int, tiles: int) -> str:
    """What the quality layer shows; ``judged`` of ``tiles`` were examined for focus."""
    return (
        "Ink, and what is black, folded or dirty, does not count as tissue; a tile with enough other tissue was "
        "analysed with what it shows of them. "
        f"Focus was examined on {judged} of {tiles} tiles; those out of focus were analysed all the same."
    )


def state_sentence(prediction: PredictionPart) -> str:
    """How far the head may be trusted: untrained, trained but not validated, or validated for a stated use."""
    if not prediction.trained:
        return f"UNTRAINED model: research and integration testing only, no medical meaning. {NOT_A_DIAGNOSIS}"
    if not prediction.validated:
        return f"Model trained but NOT VALIDATED: research use only. {NOT_A_DIAGNOSIS}"
    use = prediction.intended_use.rstrip(".")
    return f"Model validated for its intended use only ({use}). {NOT_A_DIAGNOSIS}"


NOT_COUNTED = "Does not count for this slide."


def counts(prediction: PredictionPart) -> bool:
    """Whether the score says anything: not of another stain or organ; of more or less tissue, less surely."""
    return prediction.in_domain or not voids(prediction.outside)


def domain_sentence(prediction: PredictionPart) -> str | None:
    """The warning where the slide lies outside what the head knows, else None."""
    if prediction.in_domain:
        return None
    if counts(prediction):
        return "More or less tissue than the model learnt from: its score is less certain."
    return "Outside the model's domain (stain or organ): the scores do not count."


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
