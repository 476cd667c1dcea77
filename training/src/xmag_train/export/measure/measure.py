"""All that an export measures, on which tiles, and by which student.

The shipped student may have been refit on all cases. A measuring student never saw the held-out
cases. If one is named, the worse of the two counts for parity, fp16 and int8. Reading is measured by it alone.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from xmag_train.data.shards import Region
from xmag_train.export.config import ExportConfig, Int8Config
from xmag_train.export.heads import measuring_head
from xmag_train.export.measure.parity import Parity, head_parity, student_parity
from xmag_train.export.measure.precision_fidelity import (
    FloatArray,
    Judge,
    Reference,
    embed,
    open_graph,
    reference_of,
    worse_of,
)
from xmag_train.export.measure.reading import ByWay, lowest, region_cosines, slide_cosines
from xmag_train.export.measure.reduced import MeasuredInt8, make_fp16, make_int8
from xmag_train.export.measure.seen import never_saw, refuse_one_that_saw
from xmag_train.export.measure.tiles import TileSet, split_regions, spread
from xmag_train.export.package import STUDENT_FILE, HeadSpec, ReducedVariant, export_head, export_student
from xmag_train.files import file_sha256
from xmag_train.networks.students.checkpoint import load_student
from xmag_train.networks.students.lite0 import embedding_dim_of

MEASURING = "measuring student"
MEASURED_TILES = 256


class Exported(NamedTuple):
    """A student, and its fp32 graph as ``write_model`` writes it."""

    module: nn.Module
    graph: bytes


@dataclass(frozen=True)
class Measured:
    """``graph``: of the shipped student in fp32, which all of it was measured on.

    ``parity``: file → how near its graph is to torch on ``held_out``, with the measuring student's under its name.
    ``regions`` and ``slides``: other readings, of regions of ``held_out`` and of whole slides. ``slides_unseen``:
    whether no student that read a whole slide learnt from its case, as its checkpoint tells.
    """

    graph: bytes
    held_out: TileSet
    parity: Mapping[str, Parity]
    regions: ByWay
    slides: ByWay
    slides_unseen: bool
    fp16: ReducedVariant | None
    int8: MeasuredInt8 | None

    @property
    def reduced(self) -> list[ReducedVariant]:
        """What is written beside fp32."""
        both = (self.fp16, None if self.int8 is None else self.int8.variant)
        return [variant for variant in both if variant is not None]

    @property
    def readings(self) -> dict[str, float]:
        """Way → lowest figure of all slides, whether read whole or as regions."""
        return lowest(self.regions, self.slides)

    def as_dict(self) -> dict[str, Any]:
        """For `export.json`."""
        return {
            "held_out": self.held_out.which(),
            "calibration": None if self.int8 is None else self.int8.calibration.which(),
            "parity": {name: asdict(found) for name, found in self.parity.items()},
            "reading": {"lowest": self.readings, "regions": self.regions, "slides": self.slides},
            "fp16": None if self.fp16 is None else {"fidelity": self.fp16.fidelity.model_dump()},
            "int8": None if self.int8 is None else self.int8.as_dict(),
        }


def measure(config: ExportConfig, student: nn.Module, heads: Sequence[HeadSpec]) -> Measured:
    """ValueError where a graph differs from torch, or the measuring student saw the cases that it shall measure on."""
    split = split_regions(config.regions, config.folds, config.held_out_fold)
    never_seen = [never_saw(entry, split, config.folds) for entry in config.reading_slides]
    shipped, measuring = exported(student), None
    if config.measuring_student is not None:
        refuse_one_that_saw(config.measuring_student, split, config.held_out_fold)
        measuring = exported(load_student(config.measuring_student).module)
    held_out = TileSet(spread(split.inside, MEASURED_TILES if config.int8 is None else config.int8.measured_tiles))
    session = open_graph((measuring or shipped).graph, config.threads)

    def embedded(tiles: NDArray[np.uint8]) -> FloatArray:
        return embed(session, tiles, "readings of regions")

    trained = {head.task: Judge(head.module, head.calibration.temperature) for head in heads if head.trained}
    own = reference_of(shipped.graph, held_out, trained, config.threads)
    procedure = None
    if measuring is not None and config.measuring_student is not None:
        digest = file_sha256(config.measuring_student)
        unseen = {
            str(named.measuring): Judge(measuring_head(named, digest), head.calibration.temperature)
            for named, head in zip(config.heads, heads, strict=False)  # without any named, a random one is used
            if named.measuring is not None
        }
        procedure = reference_of(measuring.graph, held_out, unseen, config.threads)
    return Measured(
        graph=shipped.graph,
        held_out=held_out,
        parity=measure_parity(shipped, measuring, own, heads),
        regions=region_cosines(embedded, held_out),
        slides=slide_cosines(config.reading_slides),
        slides_unseen=all(never_seen),
        fp16=measure_fp16(own, procedure) if config.fp16 else None,
        int8=None if config.int8 is None else measure_int8(own, procedure, split.outside, config.int8),
    )


def measure_parity(
    shipped: Exported, measuring: Exported | None, own: Reference, heads: Sequence[HeadSpec]
) -> dict[str, Parity]:
    """Of every graph that is written, and of the measuring student's; heads on the held-out slides' bags."""
    tiles, threads = own.tiles, own.threads
    parity = {STUDENT_FILE: student_parity(open_graph(shipped.graph, threads), shipped.module, tiles)}
    if measuring is not None:
        parity[MEASURING] = student_parity(open_graph(measuring.graph, threads), measuring.module, tiles)
    owners = np.asarray(own.slides)
    bags = [own.embeddings[owners == slide] for slide in dict.fromkeys(own.slides)]
    for head in heads:
        parity[f"{head.task}.onnx"] = head_parity(
            open_graph(_head_graph(head, embedding_dim_of(shipped.module)), threads), head.module, bags
        )
    return parity


def measure_fp16(own: Reference, procedure: Reference | None) -> ReducedVariant:
    """The graph of ``own``, which is shipped, in fp16.

    With a measuring student its fidelity is the worse of two. One is the shipped graph's own. The other is of the same
    procedure on the student and the heads that never saw the held-out cases.
    """
    variant = make_fp16(own)
    if procedure is None:
        return variant
    return replace(variant, fidelity=worse_of(variant.fidelity, make_fp16(procedure).fidelity))


def measure_int8(
    own: Reference, procedure: Reference | None, others: Sequence[Region], config: Int8Config
) -> MeasuredInt8:
    """As ``measure_fp16``, in int8, calibrated on ``others``, regions of other cases."""
    calibration = TileSet(spread(others, config.calibration_tiles))
    made = make_int8(own, calibration, config)
    if procedure is None:
        return made
    fidelity = worse_of(made.variant.fidelity, make_int8(procedure, calibration, config).variant.fidelity)
    return replace(made, variant=replace(made.variant, fidelity=fidelity))


def exported(student: nn.Module) -> Exported:
    """ValueError where the graph differs from torch."""
    return Exported(student, _written(lambda path: export_student(student, path)))


def _head_graph(head: HeadSpec, embedding_dim: int) -> bytes:
    return _written(lambda path: export_head(head.module, path, head.task, embedding_dim))


def _written(write: Callable[[Path], float]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write(path)
        return path.read_bytes()
