"""Learning rate over a run."""

import math


def learning_rate(step: int, steps: int, peak: float, warmup_steps: int, final_fraction: float = 0.01) -> float:
    """Linear from 0 to ``peak`` over the warm-up, then half a cosine down to ``final_fraction`` of it.

    ``step`` counts from 0; the first step is one share of the warm-up, not 0.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * (final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress))))
