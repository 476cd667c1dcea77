"""A model in memory: the student, its heads, and the manifest that speaks for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.inference.cores import available_cores
from app.inference.device import Device
from app.inference.embedder import Batching, Embedder
from app.inference.golden import check_golden, golden_tile
from app.inference.manifest import Golden, Head, Manifest, read_manifest, read_verified, verify_files
from app.inference.mil_head import MilHead
from app.inference.precision import choose_variant
from app.inference.providers import CPU_PROVIDER, choose_provider
from app.inference.runtime import onnxruntime
from app.inference.session import OnnxGraph
from app.system.process import BEHIND_READERS

# On a CPU small enough for a core's own cache: each further tile costs about 14 MB a core. A GPU should be filled,
# but a biopsy of 20 tiles must not cost a batch of 256. Kernels are searched for each size, which is warmed once.
BATCH_SIZES_CPU = (4,)
BATCH_SIZES_CUDA = (16, 64, 256)
BATCH_LIMIT_CUDA_S = 60.0
HEAD_THREADS_MOST = 4


@dataclass(frozen=True)
class Model:
    """Loaded, verified and ready. ``provider`` is onnxruntime's name of what computes; ``precision`` the student's."""

    manifest: Manifest
    manifest_sha256: str
    precision: str
    provider: str
    embedder: Embedder
    heads: Mapping[str, MilHead]
    golden: Golden

    def check(self, device: Device | None = None) -> None:
        """Compute the golden tile, by ``device`` where others use it, and run each head on it.

        InferenceFailedError if an answer is not as it must be.
        """
        tile = golden_tile(self.manifest.tile_px)[None]
        embedding = self.embedder.embed(tile) if device is None else device.embed(self.embedder, tile)
        check_golden(embedding[0], self.golden)
        for head in self.heads.values():
            head.run(embedding)

    def warm_up(self) -> None:
        """``check``, then two batches of each size, so that the first slide finds memory and kernels ready.

        Two, because onnxruntime may plan its memory anew at the second run of a shape.
        """
        self.check()
        tile = golden_tile(self.manifest.tile_px)[None]
        for size in self.embedder.batch_sizes * 2:
            self.embedder.embed(tile.repeat(size, axis=0))


def load_model(folder: Path, *, device: str = "auto", precision: str = "auto", threads: int | None = None) -> Model:
    """Read, verify and check the model of ``folder``.

    device: auto, cuda or cpu; precision: auto, fp32, fp16 or int8; threads: CPU cores to use, default those that this
    process was given. On a CPU each core computes a batch of its own. Layers of a small student are too short to be
    split over cores: each would wait for the core that a reader is using. Raises ManifestInvalidError,
    ModelFileChangedError, ProviderUnavailableError, and SetupError (no such device or precision). Raises
    InferenceFailedError if a graph, or its output for the golden tile, is wrong.
    """
    manifest, manifest_sha256 = read_manifest(folder)
    verify_files(folder, manifest)
    provider = choose_provider(device, onnxruntime.get_available_providers())
    if provider.is_cuda and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA and cuDNN from the wheels that the extra `gpu` brings
    variant = choose_variant(manifest, provider, precision)
    cores = threads if threads is not None else available_cores()
    student = OnnxGraph(read_verified(folder, variant.file), variant.file.name, provider, threads=1)
    batching = (
        Batching(BATCH_SIZES_CUDA, is_padded=True, lanes=1, niceness=0, limit_s=BATCH_LIMIT_CUDA_S)
        if provider.is_cuda
        else Batching(BATCH_SIZES_CPU, is_padded=False, lanes=cores, niceness=BEHIND_READERS)
    )
    heads = {head.task: _head(folder, head, manifest, min(cores, HEAD_THREADS_MOST)) for head in manifest.heads}
    model = Model(
        manifest=manifest,
        manifest_sha256=manifest_sha256,
        precision=variant.precision,
        provider=provider.name,
        embedder=Embedder(student, manifest, batching),
        heads=heads,
        golden=variant.golden,
    )
    model.check()
    return model


def _head(folder: Path, head: Head, manifest: Manifest, threads: int) -> MilHead:
    """On the CPU wherever the student runs: a bag is little work, and its scores are then the same on every device."""
    graph = OnnxGraph(read_verified(folder, head.file), head.file.name, CPU_PROVIDER, threads)
    return MilHead(graph, head, manifest.embedding_dim)
