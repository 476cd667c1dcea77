"""TIAToolbox: DeepFeatureExtractor with its own tissue mask, as its documentation shows."""

import tempfile
from pathlib import Path

import zarr
from cpu_student import BATCH, MPP, TILE_PX, WORKERS, Student, time_slides
from tiatoolbox.models.engine.deep_feature_extractor import DeepFeatureExtractor
from tiatoolbox.models.engine.io_config import IOPatchPredictorConfig


class Wrapped(Student):
    """With the method that the toolbox asks of a model."""

    @staticmethod
    def infer_batch(model, batch_data, *, device):  # noqa: ARG004 - the tool passes it
        return [model(batch_data).numpy()]

    def preproc_func(self, image):
        return image

    def postproc_func(self, image):
        return image


def features_of(path: Path) -> tuple[int, ...]:
    config = IOPatchPredictorConfig(
        patch_input_shape=[TILE_PX, TILE_PX],
        stride_shape=[TILE_PX, TILE_PX],
        input_resolutions=[{"resolution": MPP, "units": "mpp"}],
    )
    with tempfile.TemporaryDirectory() as out:
        paths = extractor.run(
            [path],
            patch_mode=False,
            save_dir=Path(out) / "features",
            output_type="zarr",
            auto_get_mask=True,
            ioconfig=config,
        )
        features = zarr.open(str(next(iter(paths.values()))), mode="r")["features"]
        return tuple(features.shape)


if __name__ == "__main__":
    extractor = DeepFeatureExtractor(
        model=Wrapped(), batch_size=BATCH, num_workers=WORKERS, device="cpu", verbose=False
    )
    time_slides(features_of, "tiatoolbox", "openslide-python")
