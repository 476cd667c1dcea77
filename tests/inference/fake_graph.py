"""A graph without a file: its outputs are whatever a test says."""

from collections.abc import Callable, Mapping, Sequence

from app.inference.session import Array, TensorSpec

Outputs = Mapping[str, Array]


class FakeGraph:
    """Answers each call with ``answer(feeds)``; remembers how many rows every call had."""

    def __init__(
        self,
        inputs: Mapping[str, TensorSpec],
        outputs: Mapping[str, TensorSpec],
        answer: Callable[[Mapping[str, Array]], Outputs],
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.rows: list[int] = []
        self._answer = answer

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        self.rows.append(len(next(iter(feeds.values()))))
        answer = self._answer(feeds)
        return [answer[name] for name in outputs]
