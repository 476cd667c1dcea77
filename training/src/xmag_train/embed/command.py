"""`xmag-train embed`: slides → HDF5 bags; what is there already is not made again, a bad slide is named and skipped."""

from pathlib import Path

import typer

from app.errors import SlideError
from app.slides.sandbox.reader import SlideReader
from xmag_train.embed.bag import embed_slide, is_made, slide_state, write_slide_bag
from xmag_train.embed.config import EmbedConfig, bag_name
from xmag_train.embed.source import open_source
from xmag_train.files import write_json
from xmag_train.progress import track

METRICS_FILE = "metrics.json"


def run_embed(path: Path, out: Path | None) -> None:
    """Embed all. Exits with 1 if not one slide could be used."""
    config = EmbedConfig.read(path, out=out)
    made, kept, skipped = embed_all(config)
    typer.echo(f"{made} bags made, {kept} kept, {len(skipped)} slides skipped ({config.out / METRICS_FILE})")
    if made + kept == 0:
        raise typer.Exit(1)


def embed_all(config: EmbedConfig) -> tuple[int, int, list[dict[str, str]]]:
    """(bags made, bags kept from an earlier run, slides skipped with the reason)."""
    slides = config.paths()
    source = open_source(config)
    config.out.mkdir(parents=True, exist_ok=True)
    made, kept, skipped = 0, 0, list[dict[str, str]]()
    reader = SlideReader()
    try:
        for slide in track(slides, "slides"):
            name = bag_name(slide)
            target, mpp = config.out / f"{name}.h5", config.mpp.get(name)
            if not reader.alive:
                reader = SlideReader()
            try:
                if is_made(target, source, slide, mpp):
                    kept += 1
                    continue
                made_by: dict[str, str | int] = {**source.encoder, **source.stamp(), **slide_state(slide)}
                write_slide_bag(target, embed_slide(slide, source, reader, mpp), made_by)
                made += 1
            except SlideError as error:
                skipped.append({"slide": slide.name, "code": error.code, "message": str(error)})
                typer.echo(f"{slide.name}: {error} ({error.code}); skipped", err=True)
    finally:
        reader.close()
    write_json(config.out / METRICS_FILE, {"bags_made": made, "bags_kept": kept, "skipped": skipped, **source.encoder})
    return made, kept, skipped
