"""A device with little memory, on a CPU: the model's own graph, which refuses batches above a limit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.inference.embedder import Batching, Embedder
from app.inference.model import Model
from app.inference.session import Array, DeviceMemoryError, TensorSpec

AS_ON_CUDA = Batching((16, 64, 256), is_padded=True, lanes=1, niceness=0)


class SmallDevice:
    """Runs the graph of ``model`` for up to ``most`` tiles; remembers the size of every batch asked for."""

    def __init__(self, model: Model, most: int) -> None:
        self.model, self.most = model, most
        self.asked: list[int] = []

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        side = self.model.manifest.tile_px
        return {"tiles": TensorSpec("tensor(uint8)", (None, side, side, 3))}

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        dim = self.model.manifest.embedding_dim
        return {
            "embedding": TensorSpec("tensor(float)", (None, dim)),
            "tokens": TensorSpec("tensor(float)", (None, 4, 4, dim)),
        }

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        tiles = feeds["tiles"]
        self.asked.append(len(tiles))
        if len(tiles) > self.most:
            raise DeviceMemoryError("out of memory")
        return [self.model.embedder.embed(tiles)] if list(outputs) == ["embedding"] else []


def on_small_device(
    model: Model, most: int, batching: Batching = AS_ON_CUDA, kind: type[SmallDevice] = SmallDevice
) -> tuple[Model, SmallDevice]:
    """``model`` as a GPU with room for ``most`` tiles would run it."""
    device = kind(model, most)
    return replace(model, embedder=Embedder(device, model.manifest, batching)), device
