"""TIAToolbox: DeepFeatureExtractor with its own tissue mask, as its documentation shows."""

import sys
import tempfile
import time
from pathlib import Path

import zarr
from cpu_student import BATCH, MPP, TILE_PX, WORKERS, Student, report
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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as out:
        extractor = DeepFeatureExtractor(
            model=Wrapped(), batch_size=BATCH, num_workers=WORKERS, device="cpu", verbose=False
        )
        config = IOPatchPredictorConfig(
            patch_input_shape=[TILE_PX, TILE_PX],
            stride_shape=[TILE_PX, TILE_PX],
            input_resolutions=[{"resolution": MPP, "units": "mpp"}],
        )
        start = time.perf_counter()
        paths = extractor.run(
            [Path(sys.argv[1])],
            patch_mode=False,
            save_dir=Path(out) / "features",
            output_type="zarr",
            auto_get_mask=True,
            ioconfig=config,
        )
        features = zarr.open(str(next(iter(paths.values()))), mode="r")["features"]
        report("TIAToolbox", start, tuple(features.shape), "tiatoolbox", "openslide-python")
