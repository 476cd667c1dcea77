"""The report as one A4 page. The same report and pictures give the same bytes."""

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image
from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepInFrame, Paragraph, Spacer, Table

from app.results import wording
from app.results.files.write import encode_jpeg
from app.results.pictures.colour_map import LOOKUP_TABLE
from app.results.pictures.overlay import shade
from app.results.pictures.scales import TICKS
from app.results.report.report import Answer, Report, Row
from app.results.report.report_map import ReportMap

rl_config.useA85 = 0  # binary streams: letters for bytes are a fifth longer, and take pure Python a second
_MARGIN: Final = 34.0
_WIDTH: Final = A4[0] - 2 * _MARGIN
_MAP_WIDTH: Final = 350.0
_MAP_HEIGHT: Final = (170.0, 350.0)
_GAP: Final = 9.0
_COLUMN_GAP: Final = 16.0
_LEGEND_HEIGHT: Final = 48.0
_WARNINGS_HEIGHT: Final = 110.0
_VALUE_HEIGHT: Final = 24.0
_BANNER_HEIGHT: Final = 50.0
_DETAILS_HEIGHT: Final = 110.0
_TILES: Final = 10
_TILE_GAP: Final = 5.0
_TILE_SIDE: Final = (_WIDTH - (_TILES - 1) * _TILE_GAP) / _TILES
_STRIP_HEIGHT: Final = _TILE_SIDE + 42
_INK, _SOFT, _RULE = "#1c1e24", "#545862", "#d8dbe0"
_BAR, _BAR_GROUND = "#3d6a8a", "#e6e9ed"
_VOID, _VOID_BAR = "#6b7079", "#b9bec6"
_BANNERS: Final = {
    "foremost": ("#fdecea", "#8c1c13"),
    "untrained": ("#fdecea", "#8c1c13"),
    "not_validated": ("#fff4e0", "#7a4b00"),
    "validated": ("#f1f3f5", "#343a42"),
}


def render_pdf(report: Report, drawn: ReportMap, top_pictures: Sequence[bytes]) -> bytes:
    """The page. ``top_pictures``: JPEG files of ``report.top_tiles``, in their order."""
    _fonts()
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=1, lang="en")
    canvas.setTitle(f"{report.title}, {report.identity[0][1]}")
    canvas.setAuthor("xmag-serve")
    canvas.setCreator(report.software)
    canvas.setProducer(report.software)
    canvas.setDateFormatter(lambda *_: f"D:{report.finished_at:%Y%m%d%H%M%SZ}")
    canvas.setSubject(f"{report.foremost} {report.banner}".strip())
    top = _head(canvas, report, A4[1] - _MARGIN)
    bottom = _provenance(canvas, report, _foot(canvas, report)) + _GAP
    warnings = _warnings(report)
    reserved = (_STRIP_HEIGHT if report.top_tiles else 0.0) + warnings.wrapOn(canvas, _WIDTH, A4[1])[1] + 2 * _GAP
    top = _middle(canvas, report, drawn, (bottom + reserved, top))
    top -= _place(canvas, warnings, _MARGIN, top, _WIDTH) + _GAP
    _strip(canvas, report, top_pictures, top)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@cache
def _fonts() -> None:
    for weight in ("Regular", "SemiBold"):
        pdfmetrics.registerFont(TTFont(f"Inter-{weight}", Path(__file__).parents[1] / "fonts" / f"Inter-{weight}.ttf"))


def _style(size: float, weight: str = "Regular", colour: str = _INK, leading: float = 1.35) -> ParagraphStyle:
    return ParagraphStyle(
        f"{weight}-{size}-{colour}",
        fontName=f"Inter-{weight}",
        fontSize=size,
        leading=size * leading,
        textColor=colour,
        splitLongWords=1,
    )


def _words(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)


def _table(rows: Sequence[Row], widths: tuple[float, float], size: float) -> Table:
    """Names and values, one below the other."""
    cells = [[_words(name, _style(size, colour=_SOFT)), _words(value, _style(size))] for name, value in rows]
    padding: list[tuple[Any, ...]] = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP")]
    rest: list[tuple[Any, ...]] = [("BOTTOMPADDING", (0, 0), (-1, -1), 1.5), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    return Table(cells, colWidths=list(widths), style=[*padding, *rest], hAlign="LEFT")


def _place(canvas: Canvas, flowable: Flowable, x: float, top: float, width: float) -> float:
    """Draw with its upper edge at ``top``; its height."""
    _, height = flowable.wrapOn(canvas, width, A4[1])
    flowable.drawOn(canvas, x, top - height)
    return float(height)


def _head(canvas: Canvas, report: Report, top: float) -> float:
    top -= _place(canvas, _words(report.title, _style(17, "SemiBold", leading=1.2)), _MARGIN, top, _WIDTH) + 5
    for rows in (report.identity, report.stated):
        if rows:
            top -= _names(canvas, rows, top) + 3
    top -= 4
    for kind, text in (("foremost", report.foremost), (report.standing, report.banner)):
        if text:
            top -= _banner(canvas, kind, text, top) + 4
    return top - _GAP + 2


def _names(canvas: Canvas, rows: Sequence[Row], top: float) -> float:
    """Three names with their values, side by side; their height."""
    x, heights = _MARGIN, []
    for (name, value), share in zip(rows, (0.5, 0.25, 0.25), strict=True):
        width = share * _WIDTH - 8
        height = _place(canvas, _words(name, _style(7, colour=_SOFT)), x, top, width)
        words = KeepInFrame(width, _VALUE_HEIGHT, [_words(value, _style(8, "SemiBold"))], mode="shrink")
        heights.append(height + _place(canvas, words, x, top - height, width))
        x += share * _WIDTH
    return max(heights)


def _banner(canvas: Canvas, kind: str, text: str, top: float) -> float:
    """A sentence on coloured ground; its height."""
    ground, ink = _BANNERS[kind]
    words = KeepInFrame(_WIDTH - 16, _BANNER_HEIGHT, [_words(text, _style(9, "SemiBold", ink))], mode="shrink")
    height = float(words.wrapOn(canvas, _WIDTH - 16, A4[1])[1]) + 10
    canvas.setFillColor(ground)
    canvas.roundRect(_MARGIN, top - height, _WIDTH, height, 3, stroke=0, fill=1)
    words.drawOn(canvas, _MARGIN + 8, top - height + 5)
    return height


def _foot(canvas: Canvas, report: Report) -> float:
    text = _words(report.footer, _style(7, colour=_SOFT))
    _, height = text.wrapOn(canvas, _WIDTH, A4[1])
    text.drawOn(canvas, _MARGIN, _MARGIN - 8)
    return _MARGIN - 8 + float(height) + 6


def _provenance(canvas: Canvas, report: Report, bottom: float) -> float:
    width = (_WIDTH - _COLUMN_GAP) / 2
    tables = [_table(rows, (80, width - 80), 6) for rows in (report.slide, report.model)]
    boxes = [KeepInFrame(width, _DETAILS_HEIGHT, [table], mode="shrink") for table in tables]
    height = max(box.wrapOn(canvas, width, _DETAILS_HEIGHT)[1] for box in boxes)
    _rule(canvas, bottom + height + 4)
    for number, box in enumerate(boxes):
        _place(canvas, box, _MARGIN + number * (width + _COLUMN_GAP), bottom + height, width)
    heading = _words("Technical details", _style(7.5, "SemiBold"))
    return float(bottom + height + 6 + _place(canvas, heading, _MARGIN, bottom + height + 16, _WIDTH))


def _strip(canvas: Canvas, report: Report, pictures: Sequence[bytes], top: float) -> None:
    """Top tiles side by side, numbered as on the map, in frames: beyond the scan's edge the model saw white."""
    if not report.top_tiles:
        return
    heading = _words(report.top_title, _style(9, "SemiBold"))
    top -= _place(canvas, heading, _MARGIN, top, _WIDTH) + 4 + _TILE_SIDE
    for number, (tile, picture) in enumerate(list(zip(report.top_tiles, pictures, strict=True))[:_TILES]):
        x = _MARGIN + number * (_TILE_SIDE + _TILE_GAP)
        canvas.drawImage(ImageReader(io.BytesIO(picture)), x, top, _TILE_SIDE, _TILE_SIDE)
        canvas.setStrokeColor(_RULE)
        canvas.setLineWidth(0.5)
        canvas.rect(x, top, _TILE_SIDE, _TILE_SIDE, stroke=1, fill=0)
        canvas.setFont("Inter-SemiBold", 6.5)
        canvas.setFillColor(_INK)
        canvas.drawString(x, top - 8, f"{tile.rank}")
        canvas.setFont("Inter-Regular", 6)
        canvas.setFillColor(_SOFT)
        for line, caption in enumerate(tile.captions):
            canvas.drawString(x, top - 15 - 7 * line, caption)


def _warnings(report: Report) -> Flowable:
    if not report.warnings:
        return Spacer(0, 0)
    style = _style(8, colour="#7a4b00", leading=1.3)
    content = [_words("Warnings", _style(9, "SemiBold")), *(_words(f"•  {text}", style) for text in report.warnings)]
    return KeepInFrame(_WIDTH, _WARNINGS_HEIGHT, content, mode="shrink")


def _middle(canvas: Canvas, report: Report, drawn: ReportMap, room: tuple[float, float]) -> float:
    """Map and legend at the left, predictions and quality at the right; where it ends."""
    bottom, top = room
    top -= _place(canvas, _words(report.map_title, _style(9, "SemiBold")), _MARGIN, top, _MAP_WIDTH) + 3
    highest = min(max(top - bottom - _LEGEND_HEIGHT, _MAP_HEIGHT[0]), _MAP_HEIGHT[1])
    width, height = drawn.picture.size
    scale = min(_MAP_WIDTH / width, highest / height)
    wide, high = width * scale, height * scale
    canvas.drawImage(_jpeg(drawn.picture), _MARGIN, top - high, wide, high)
    end = _legend(canvas, report, drawn, top - high - 4)
    x = _MARGIN + _MAP_WIDTH + _COLUMN_GAP
    column = _WIDTH - _MAP_WIDTH - _COLUMN_GAP
    top = room[1]
    box = KeepInFrame(column, top - bottom, _column(report, column), mode="shrink", vAlign="TOP")
    return min(end, top - _place(canvas, box, x, top, column)) - _GAP


def _column(report: Report, width: float) -> list[Flowable]:
    heading = _style(9, "SemiBold")
    content: list[Flowable] = []
    for answer in report.answers:
        content += [_words(f"{answer.task} · {answer.kind}", heading), Spacer(1, 3)]
        if not answer.counts:
            content += [_words(wording.NOT_COUNTED, _style(8, "SemiBold", _BANNERS["foremost"][1])), Spacer(1, 2)]
        content += _bars(answer, width)
        for note in answer.notes:
            content += [_words(note, _style(7, colour=_SOFT)), Spacer(1, 3)]
        content.append(Spacer(1, _GAP))
    return [*content, _words("Quality", heading), Spacer(1, 3), _table(report.quality, (66, width - 66), 7.5)]


def _bars(answer: Answer, width: float) -> list[Flowable]:
    return [_Bar(label, value, width, counts=answer.counts) for label, value in answer.values] + [Spacer(1, 3)]


class _Bar(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A label, its number, and a bar from 0 to 1; grey and thin where the number does not count."""

    def __init__(self, label: str, value: float, width: float, *, counts: bool) -> None:
        super().__init__()
        self.ink, self.weight, self.bar = (_INK, "SemiBold", _BAR) if counts else (_VOID, "Regular", _VOID_BAR)
        self.label, self.value, self.width, self.height = label, value, width, 21.0

    def wrap(self, *_: float) -> tuple[float, float]:
        """Its size."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw it at the origin."""
        canvas = self.canv
        canvas.setFillColor(self.ink)
        room = self.width - 32
        size = min(8.5, 8.5 * room / pdfmetrics.stringWidth(self.label, "Inter-Regular", 8.5))
        canvas.setFont("Inter-Regular", size)
        canvas.drawString(0, 10, self.label)
        canvas.setFont(f"Inter-{self.weight}", 8.5)
        canvas.drawRightString(self.width, 10, f"{self.value:.3f}")
        for colour, share in ((_BAR_GROUND, 1.0), (self.bar, self.value)):
            canvas.setFillColor(colour)
            canvas.rect(0, 2, self.width * share, 4, stroke=0, fill=1)


def _legend(canvas: Canvas, report: Report, drawn: ReportMap, top: float) -> float:
    """Draws the colour scale with percentiles, numbers and their meaning. Returns its lower end."""
    if report.ticks:
        bar_x = _MARGIN + 92
        bar_width = _MAP_WIDTH - 92 - 12
        ramp = Image.fromarray(np.repeat(shade(LOOKUP_TABLE, drawn.tissue_grey)[None], 4, axis=0))
        canvas.drawImage(ImageReader(ramp), bar_x, top - 16, bar_width, 7)
        for name, y in zip(report.scale_names, (top - 6, top - 24), strict=True):
            canvas.setFont("Inter-Regular", 6.5)
            canvas.setFillColor(_SOFT)
            canvas.drawString(_MARGIN, y, name)
        canvas.setFillColor(_INK)
        for tick, (percentile, share) in zip(TICKS, report.ticks, strict=True):
            x = bar_x + tick / 100 * bar_width
            canvas.drawCentredString(x, top - 6, percentile)
            canvas.drawCentredString(x, top - 24, share)
        top -= 29
    return top - _place(canvas, _words(report.map_legend, _style(7, colour=_SOFT)), _MARGIN, top, _MAP_WIDTH)


def _jpeg(picture: Image.Image) -> ImageReader:
    buffer = io.BytesIO()
    encode_jpeg(picture, buffer)
    buffer.seek(0)
    return ImageReader(buffer)


def _rule(canvas: Canvas, y: float) -> None:
    canvas.setStrokeColor(_RULE)
    canvas.setLineWidth(0.5)
    canvas.line(_MARGIN, y, _MARGIN + _WIDTH, y)
