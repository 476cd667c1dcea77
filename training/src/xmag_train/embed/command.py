"""`xmag-train embed`: slides → HDF5 bags; what is there already is not made again, a bad slide is named and skipped."""

from pathlib import Path

import typer

from app.errors import SlideError
from app.inference.model import Model, load_model
from app.slides.reader import SlideReader
from xmag_train.embed.bag import embed_slide, made_by, student_sha256, write_slide_bag
from xmag_train.embed.config import EmbedConfig
from xmag_train.progress import track
from xmag_train.write import write_json

METRICS_FILE = "metrics.json"


def run_embed(path: Path, out: Path | None) -> None:
    """Embed all. Exits with 1 if not one slide could be used."""
    config = EmbedConfig.read(path)
    config = config if out is None else config.model_copy(update={"out": out})
    made, kept, skipped = embed_all(config)
    typer.echo(f"{made} bags made, {kept} kept, {len(skipped)} slides skipped ({config.out / METRICS_FILE})")
    if made + kept == 0:
        raise typer.Exit(1)


def embed_all(config: EmbedConfig) -> tuple[int, int, list[dict[str, str]]]:
    """(bags made, bags kept from an earlier run, slides skipped with the reason)."""
    slides = config.paths()
    model = load_model(config.model, device=config.device, precision=config.precision, threads=config.threads)
    config.out.mkdir(parents=True, exist_ok=True)
    made, kept, skipped = 0, 0, list[dict[str, str]]()
    reader = SlideReader()
    try:
        for slide in track(slides, "slides"):
            target = config.out / f"{slide.stem}.h5"
            if made_by(target) == student_sha256(model):
                kept += 1
                continue
            if not reader.alive:
                reader = SlideReader()
            try:
                write_slide_bag(target, embed_slide(slide, model, reader, config.batch_tiles), encoder(model))
                made += 1
            except SlideError as error:
                skipped.append({"slide": slide.name, "code": error.code, "message": str(error)})
                typer.echo(f"{slide.name}: {error} ({error.code}); skipped", err=True)
    finally:
        reader.close()
    write_json(config.out / METRICS_FILE, {"bags_made": made, "bags_kept": kept, "skipped": skipped, **encoder(model)})
    return made, kept, skipped


def encoder(model: Model) -> dict[str, str]:
    """What a head trained on these bags is bound to.

    The `student.pt` that the model was exported from, where its provenance says so, else the exported file.
    """
    checkpoint = checkpoint_of(model.manifest.provenance.config)
    return {
        "encoder": f"student:{model.manifest.name}",
        "encoder_sha256": checkpoint or student_sha256(model),
    }


def checkpoint_of(config: str) -> str | None:
    """The sha256 after `student.pt ` in the manifest's ``provenance.config``."""
    _, found, rest = config.partition("student.pt ")
    return rest[:64] if found and len(rest) >= 64 else None
