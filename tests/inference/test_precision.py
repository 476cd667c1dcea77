from typing import Any

import pytest

from app.errors import SetupError
from app.inference.gpu import Gpu, GpuProbe
from app.inference.manifest import Manifest
from app.inference.precision import choose_variant
from app.inference.providers import CPU, CUDA, Provider, choose_provider

ON_CPU = choose_provider("cpu", [CPU])
ON_CUDA = choose_provider("cuda", [CUDA, CPU], GpuProbe((Gpu("NVIDIA H100", (9, 0)),), (13, 0)))


def with_variants(document: dict[str, Any], **cosines: float) -> Manifest:
    for precision, cosine in cosines.items():
        document["student"].append(
            {
                "precision": precision,
                "file": {"name": f"student.{precision}.onnx", "sha256": "0" * 64},
                "golden": document["student"][0]["golden"],
                "fidelity": {
                    "cosine_median": cosine,
                    "cosine_min": cosine - 0.01,
                    "score_change_max": 0.01,
                    "n_tiles": 500,
                    "n_slides": 9,
                },
            }
        )
    return Manifest.model_validate(document)


@pytest.mark.parametrize(
    ("provider", "cosines", "chosen"),
    [
        (ON_CPU, {}, "fp32"),
        (ON_CPU, {"int8": 0.995}, "int8"),
        (ON_CPU, {"int8": 0.989}, "fp32"),
        (ON_CPU, {"fp16": 0.9999}, "fp32"),
        (ON_CUDA, {"fp16": 0.9999, "int8": 0.995}, "fp16"),
        (ON_CUDA, {"int8": 0.995}, "fp32"),
    ],
)
def test_auto_takes_the_fast_one_where_it_is_faithful(
    document: dict[str, Any], provider: Provider, cosines: dict[str, float], chosen: str
) -> None:
    assert choose_variant(with_variants(document, **cosines), provider, "auto", exact_int8=True).precision == chosen


def test_auto_leaves_int8_to_processors_that_compute_it_exactly(document: dict[str, Any]) -> None:
    manifest = with_variants(document, int8=0.999, fp16=0.9999)
    assert choose_variant(manifest, ON_CPU, "auto", exact_int8=False).precision == "fp32"
    assert choose_variant(manifest, ON_CUDA, "auto", exact_int8=False).precision == "fp16"


def test_int8_by_name_is_refused_where_it_would_be_wrong(document: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match="no VNNI"):
        choose_variant(with_variants(document, int8=0.999), ON_CPU, "int8", exact_int8=False)


def test_int8_by_name_is_refused_on_a_gpu(document: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match="int8 is for CPUs"):
        choose_variant(with_variants(document, int8=0.999), ON_CUDA, "int8", exact_int8=True)


def test_asked_for_by_name_it_is_given_whatever_its_fidelity(document: dict[str, Any]) -> None:
    assert choose_variant(with_variants(document, int8=0.9), ON_CPU, "int8", exact_int8=True).precision == "int8"


@pytest.mark.parametrize("precision", ["int8", "bf16", ""])
def test_one_that_the_model_lacks_is_refused_with_those_it_has(document: dict[str, Any], precision: str) -> None:
    with pytest.raises(SetupError, match="it has fp16, fp32"):
        choose_variant(with_variants(document, fp16=0.9999), ON_CPU, precision)
