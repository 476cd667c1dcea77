"""Which precision of the student runs."""

from app.errors import SetupError
from app.inference.manifest import Manifest, Variant
from app.inference.processor import int8_is_exact
from app.inference.providers import Provider

COSINE_MEDIAN_MIN = 0.99


def choose_variant(
    manifest: Manifest, provider: Provider, precision: str, *, exact_int8: bool | None = None
) -> Variant:
    """The variant for ``precision`` (auto, fp32, fp16, int8).

    ``auto`` takes the provider's fast precision: fp16 on CUDA, int8 on a CPU that computes it exactly. The model must
    have it, with a measured median cosine of its embeddings to fp32 of at least 0.99; else fp32 is taken.
    ``exact_int8``: whether the processor does; found out by default. SetupError for a precision that the model lacks,
    int8 on CUDA, and int8 on a CPU that gets it wrong.
    """
    exact = int8_is_exact() if exact_int8 is None else exact_int8
    variants = {variant.precision: variant for variant in manifest.student}
    if precision == "auto":
        fast = variants.get("fp16" if provider.is_cuda else "int8")
        computed_right = provider.is_cuda or exact
        faithful = fast is not None and fast.fidelity is not None and fast.fidelity.cosine_median >= COSINE_MEDIAN_MIN
        return fast if fast is not None and faithful and computed_right else variants["fp32"]
    for name, variant in variants.items():
        if name == precision:
            if name == "int8" and provider.is_cuda:
                raise SetupError(
                    "int8 is for CPUs: on a GPU its steps would be computed in fp32, slowly, and with embeddings that "
                    "nobody measured. Choose auto, fp16 or fp32."
                )
            if name == "int8" and not exact:
                raise SetupError(
                    "This processor has no VNNI (avx512_vnni, avx_vnni): it cuts off sums of int8 products, and the "
                    "embeddings are not those that were measured. Choose auto or fp32."
                )
            return variant
    raise SetupError(
        f"Model {manifest.name} has no precision {precision!r}: it has {', '.join(sorted(variants))} (or choose auto)."
    )
