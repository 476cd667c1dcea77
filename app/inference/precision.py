"""Which precision of the student runs."""

from app.errors import SetupError
from app.inference.manifest import Manifest, Variant
from app.inference.providers import Provider

COSINE_MEDIAN_MIN = 0.99


def choose_variant(manifest: Manifest, provider: Provider, precision: str) -> Variant:
    """The variant for ``precision`` (auto, fp32, fp16, int8).

    ``auto`` takes the fast one of the provider (fp16 on CUDA, int8 on CPU) if the model has it and its embeddings'
    median cosine to fp32 was measured to be at least 0.99; else fp32. SetupError for one it lacks.
    """
    variants = {variant.precision: variant for variant in manifest.student}
    if precision == "auto":
        fast = variants.get("fp16" if provider.is_cuda else "int8")
        if fast is not None and fast.fidelity is not None and fast.fidelity.cosine_median >= COSINE_MEDIAN_MIN:
            return fast
        return variants["fp32"]
    for name, variant in variants.items():
        if name == precision:
            return variant
    raise SetupError(
        f"Model {manifest.name} has no precision {precision!r}: it has {', '.join(sorted(variants))} (or choose auto)."
    )
