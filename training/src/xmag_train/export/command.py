"""`xmag-train export`: checkpoints → the folder that the service reads."""

from pathlib import Path

import torch
import typer

from app.inference.manifest import Domain, Provenance, Reading
from xmag_train.commit import source_commit
from xmag_train.export.card.bound import refuse_report_of_others
from xmag_train.export.card.card import model_card
from xmag_train.export.config import ExportConfig
from xmag_train.export.heads import head_spec, placeholder
from xmag_train.export.measure.measure import measure
from xmag_train.export.measure.precision_fidelity import fidelity_in_words
from xmag_train.export.package import ModelSpec, Written, check_name, write_model
from xmag_train.files import file_sha256, write_json
from xmag_train.networks.students.checkpoint import load_student
from xmag_train.networks.students.lite0 import embedding_dim_of, parameter_count
from xmag_train.progress import Clock

AUTO_COSINE = 0.99


def run_export(path: Path, out: Path | None) -> None:
    """Export, and say what was measured."""
    config = ExportConfig.read(path, out=out)
    written = export_model(config)
    for variant in written.manifest.student:
        if variant.fidelity is not None:
            fidelity = variant.fidelity
            typer.echo(f"{variant.precision}: {fidelity_in_words(fidelity)}")
            if fidelity.cosine_median < AUTO_COSINE:
                typer.echo(f"below {AUTO_COSINE}: the service will not choose it by itself; keep more parts in float")
    for way, value in written.manifest.reading.reader_cosine.items():
        typer.echo(f"reading {way}: cosine {value:.4f}")
    typer.echo(f"{config.out}; what was measured: {config.metrics_file()}")


def export_model(config: ExportConfig) -> Written:
    """Measure and write.

    ValueError for a folder of another name, a head of another student, or a report of other heads. Also for a reading
    method that did not reach 0.98.
    """
    clock = Clock(0.0)
    check_name(config.name, config.out)
    if config.report is not None:
        refuse_report_of_others(config.report, config.heads)
    torch.set_num_threads(config.threads)
    loaded = load_student(config.student)
    digest = file_sha256(config.student)
    heads = [head_spec(head, digest) for head in config.heads] or [placeholder(embedding_dim_of(loaded.module))]
    measured = measure(config, loaded.module, heads)
    spec = ModelSpec(
        name=config.name,
        version=config.version,
        student=loaded.module,
        heads=heads,
        reading=Reading(
            resample_filter=config.reading.resample_filter,
            level_tolerance=config.reading.level_tolerance,
            decoder_scaling=config.reading.decoder_scaling,
            reader_cosine=measured.readings,
        ),
        domain=Domain(**{name: list(values) for name, values in config.domain}),
        provenance=Provenance(
            teacher=config.provenance.teacher,
            data=config.provenance.data,
            config="; ".join(
                ["xmag-train export", f"student.pt {digest}"]
                + [f"head.pt {file_sha256(head.checkpoint)}" for head in config.heads]
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
            measured=measured,
        ),
        reduced=measured.reduced,
        graph=measured.graph,
    )
    written = write_model(spec, config.out)
    about = {"name": config.name, "version": config.version, "commit": spec.provenance.commit}
    config_json = config.model_dump(mode="json")
    write_json(config.metrics_file(), {**about, "wall_s": clock.seconds(), **measured.as_dict(), "config": config_json})
    return written
