"""slide2vec, whose tiles come from hs2p: an encoder of one's own, as its documentation shows."""

import tempfile
from pathlib import Path

from cpu_student import BATCH, MPP, TILE_PX, WORKERS, Student, pixels_of, time_slides
from slide2vec import ExecutionOptions, Model, register_encoder
from slide2vec.encoders.base import TileEncoder


@register_encoder(
    "xmag-student",
    encode_dim=1280,
    input_size=TILE_PX,
    supports_variable_input_size=False,
    supported_spacing_um=MPP,
    precision="fp32",
)
class StudentEncoder(TileEncoder):
    def __init__(self, *, output_variant=None):  # noqa: ARG002 - the tool passes it
        self._student = Student()

    @property
    def encode_dim(self):
        return 1280

    @property
    def device(self):
        return self._student.parameter.device

    def to(self, device):  # noqa: ARG002 - there is but one
        return self

    def get_transform(self):
        return pixels_of

    def get_normalization_transform(self):
        return pixels_of

    def encode_tiles(self, batch):
        return self._student(batch)


def features_of(path: Path) -> tuple[int, ...]:
    with tempfile.TemporaryDirectory() as out:
        options = ExecutionOptions(
            output_dir=Path(out), batch_size=BATCH, precision="fp32", num_workers_per_gpu=WORKERS, num_gpus=1
        )
        found = model.embed_slide(str(path), execution=options)
        bag = found[0] if isinstance(found, list) else found
        return tuple(bag.tile_embeddings.shape)


if __name__ == "__main__":
    model = Model.from_preset("xmag-student", device="cpu")
    time_slides(features_of, "slide2vec", "hs2p", "openslide-python")
