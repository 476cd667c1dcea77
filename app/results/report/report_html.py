"""The report as a page to read or print: plain HTML with one stylesheet, no script, nothing inline."""

from collections.abc import Iterable
from html import escape

from app.results import wording
from app.results.report.report import Answer, Report, Row

STYLESHEET = "../../static/style/report.css"
ICON = "../../static/style/icon.svg"
"""Images and stylesheet are relative to the page, ``jobs/ID/``, whatever prefix a proxy adds."""


def render_html(report: Report, base: str) -> str:
    """The page. ``base``: prefix of its links to other reports; empty for reports beside it."""
    parts = [
        _element("h1", report.title),
        _rows("identity", [*report.identity, *report.stated]),
        *(
            _banner(kind, text)
            for kind, text in (("foremost", report.foremost), (report.standing, report.banner))
            if text
        ),
        '<div class="columns"><section>',
        _map(report),
        "</section><section>",
        *(_answer(answer) for answer in report.answers),
        "<h2>Quality</h2>",
        _rows("facts", report.quality),
        "</section></div>",
        _warnings(report),
        _top_tiles(report),
        "<h2>Technical details</h2>",
        '<div class="provenance">',
        _rows("facts", report.slide),
        _rows("facts", report.model),
        "</div>",
        f"<footer>{escape(report.footer)}</footer>",
        _links(report, base),
    ]
    name = escape(f"{report.title}, {report.identity[0][1]}")
    links = f'<link rel="stylesheet" href="{STYLESHEET}"><link rel="icon" href="{ICON}">'
    head = f'<meta charset="utf-8"><title>{name}</title>{links}'
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body><main>\n{body}\n</main></body>\n</html>\n'


def _links(report: Report, base: str) -> str:
    """For the screen alone: the same with or without the case, and as PDF."""
    case = "?case=true"
    other, text, pdf = ("", "Without the case", case) if report.stated else (case, "With case, organ and stain", "")
    return f'<nav><a href="{base}report.html{other}">{text}</a> <a href="{base}report.pdf{pdf}">As PDF</a></nav>'


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _rows(kind: str, rows: Iterable[Row]) -> str:
    pairs = (f"<div>{_element('dt', name)}{_element('dd', value)}</div>" for name, value in rows)
    return f'<dl class="{kind}">{"".join(pairs)}</dl>'


def _banner(kind: str, text: str) -> str:
    return f'<p class="banner {kind}">{escape(text)}</p>'


def _map(report: Report) -> str:
    ticks = "".join(
        f"<tr>{_element('th', name)}{''.join(_element('td', tick[row]) for tick in report.ticks)}</tr>"
        for row, name in enumerate(report.scale_names)
    )
    scale = f'<div class="scale" aria-hidden="true"></div><table class="ticks">{ticks}</table>' if report.ticks else ""
    return (
        f"{_element('h2', report.map_title)}"
        f'<img class="map" src="report_map.jpg" alt="{escape(report.map_title)}">{scale}'
        f'<p class="note">{escape(report.map_legend)} {escape(report.extent)}</p>'
    )


def _answer(answer: Answer) -> str:
    values = "".join(
        f'<div class="value{"" if answer.counts else " void"}">{_element("span", label)}{_element("b", f"{value:.3f}")}'
        f'<meter min="0" max="1" value="{value:.4f}"></meter></div>'
        for label, value in answer.values
    )
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in answer.notes)
    void = "" if answer.counts else f'<p class="void">{wording.NOT_COUNTED}</p>'
    return f"{_element('h2', f'{answer.task} · {answer.kind}')}{void}{values}{notes}"


def _warnings(report: Report) -> str:
    if not report.warnings:
        return ""
    items = "".join(_element("li", warning) for warning in report.warnings)
    return f'<h2>Warnings</h2><ul class="warnings">{items}</ul>'


def _top_tiles(report: Report) -> str:
    if not report.top_tiles:
        return ""
    figures = "".join(
        f'<figure><img src="top_tiles/{tile.rank}.jpg" width="224" height="224" alt="tile {tile.rank}">'
        f"<figcaption><b>{tile.rank}</b> {'<br>'.join(map(escape, tile.captions))}</figcaption></figure>"
        for tile in report.top_tiles
    )
    return f'{_element("h2", report.top_title)}<div class="tiles">{figures}</div>'
