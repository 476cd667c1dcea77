"""`xmag-train export`: checkpoints → the folder that the service reads."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import nn

from app.inference.manifest import Domain, Provenance, Reading
from xmag_train.commit import source_commit
from xmag_train.export.card import model_card
from xmag_train.export.config import ExportConfig
from xmag_train.export.fidelity import FloatArray, embed, open_graph
from xmag_train.export.heads import head_spec, measuring_head, placeholder
from xmag_train.export.int8 import MeasuredInt8, make_int8, worse_of
from xmag_train.export.reading import reader_cosine, slides_cosine
from xmag_train.export.tiles import TileSet, split_regions
from xmag_train.package import Int8Variant, ModelSpec, Written, export_student, write_model
from xmag_train.student import embedding_dim_of, parameter_count
from xmag_train.students.checkpoint import load_student

AUTO_COSINE = 0.99


def run_export(path: Path, out: Path | None) -> None:
    """Export, and say what was measured."""
    config = ExportConfig.read(path)
    config = config if out is None else config.model_copy(update={"out": out})
    written = export_model(config)
    for variant in written.manifest.student:
        if variant.fidelity is not None:
            fidelity = variant.fidelity
            typer.echo(f"{variant.precision}: cosine {fidelity.cosine_median:.4f} (lowest {fidelity.cosine_min:.4f})")
            if fidelity.cosine_median < AUTO_COSINE:
                typer.echo(f"below {AUTO_COSINE}: the service will not choose it by itself; keep more parts in float")
    for way, value in written.manifest.reading.reader_cosine.items():
        typer.echo(f"reading {way}: cosine {value:.4f}")
    typer.echo(config.out)


def export_model(config: ExportConfig) -> Written:
    """Measure and write. ValueError for a head of another student, or a way of reading that did not reach 0.98."""
    torch.set_num_threads(config.threads)
    loaded = load_student(config.student)
    digest = sha256_of(config.student)
    heads = [head_spec(head, digest) for head in config.heads] or [placeholder(embedding_dim_of(loaded.module))]
    sizes = (1, 256) if config.int8 is None else (config.int8.calibration_tiles, config.int8.measured_tiles)
    calibration, held_out = split_regions(config.regions, config.folds, config.held_out_fold, *sizes)
    fp32 = graph_of(loaded.module)
    readings = measure_reading(config, fp32, held_out)
    trained = {head.task: head.module for head in heads if head.trained}
    int8 = measure_int8(config, fp32, calibration, held_out, heads=trained)
    spec = ModelSpec(
        name=config.name,
        version=config.version,
        student=loaded.module,
        heads=heads,
        reading=Reading(
            resample_filter=config.reading.resample_filter,
            level_tolerance=config.reading.level_tolerance,
            decoder_scaling=config.reading.decoder_scaling,
            reader_cosine=readings,
        ),
        domain=Domain(**{name: list(values) for name, values in config.domain}),
        provenance=Provenance(
            teacher=config.provenance.teacher,
            data=config.provenance.data,
            config="; ".join(
                ["xmag-train export", f"student.pt {digest}"]
                + [f"head.pt {sha256_of(head.checkpoint)}" for head in config.heads]
            ),
            commit=source_commit(),
            licence=config.provenance.licence,
            attribution=config.provenance.attribution,
        ),
        card=model_card(
            config,
            loaded.name,
            parameter_count(loaded.module),
            heads=heads,
            readings=readings,
            int8=None if int8 is None else (int8.variant.fidelity, int8.speed),
        ),
        int8=None if int8 is None else int8.variant,
    )
    return write_model(spec, config.out)


def graph_of(student: nn.Module) -> bytes:
    """The fp32 graph, as ``write_model`` will write it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student.onnx"
        export_student(student, path)
        return path.read_bytes()


def measure_reading(config: ExportConfig, fp32: bytes, held_out: TileSet) -> dict[str, float]:
    """Of regions by the measuring student, or the shipped one where there is none; of whole slides by theirs."""
    graph = fp32 if config.measuring_student is None else graph_of(load_student(config.measuring_student).module)
    session = open_graph(graph, config.threads)

    def embedded(tiles: NDArray[np.uint8]) -> FloatArray:
        return embed(session, tiles)

    regions, slides = reader_cosine(embedded, held_out), slides_cosine(config.reading_slides)
    if "coarse_level" in slides:
        regions["coarse_level"] = slides["coarse_level"]
    return {way: min(value, slides.get(way, value)) for way, value in regions.items()}


def measure_int8(
    config: ExportConfig, fp32: bytes, calibration: TileSet, held_out: TileSet, *, heads: dict[str, nn.Module]
) -> MeasuredInt8 | None:
    """The shipped graph in int8; None where the config wants none.

    With a measuring student its fidelity is the worse of two: the shipped graph's own, and that of the same procedure
    on the student and the heads that never saw the held-out cases.
    """
    if config.int8 is None:
        return None
    shipped = make_int8(fp32, calibration, held_out, heads=heads, config=config.int8, threads=config.threads)
    if config.measuring_student is None:
        return shipped
    procedure = make_int8(
        graph_of(load_student(config.measuring_student).module),
        calibration,
        held_out,
        heads={str(head.measuring): measuring_head(head) for head in config.heads if head.measuring is not None},
        config=config.int8,
        threads=config.threads,
    )
    fidelity = worse_of(shipped.variant.fidelity, procedure.variant.fidelity)
    return MeasuredInt8(Int8Variant(shipped.variant.graph, fidelity), shipped.speed)


def sha256_of(path: Path) -> str:
    """Of the file's bytes: what bags and heads are bound to."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
