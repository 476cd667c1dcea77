"""A model for tests: the student with ImageNet weights, and a head with random ones."""

from dataclasses import replace

from app.inference.manifest import Domain, Provenance, Reading
from xmag_train.export.heads import placeholder
from xmag_train.export.package import ModelSpec
from xmag_train.mil.gated_attention import untrained_head
from xmag_train.networks.imagenet import WEIGHTS_PACKAGE, WEIGHTS_SHA256, load_imagenet
from xmag_train.networks.students.lite0 import EMBEDDING_DIM, Student

NAME = "xmag-lite0"
VERSION = "0.1.0"
LABELS = ["not_malignant", "malignant"]


def untrained_spec(seed: int, commit: str) -> ModelSpec:
    """The student with ImageNet weights and one gated-attention head drawn from ``seed``."""
    student = load_imagenet(Student())
    return ModelSpec(
        name=NAME,
        version=VERSION,
        student=student,
        heads=[
            replace(
                placeholder(EMBEDDING_DIM),
                task="malignancy",
                module=untrained_head(EMBEDDING_DIM, len(LABELS), seed),
                labels=LABELS,
                positive_class="malignant",
            )
        ],
        reading=Reading(),
        domain=Domain(stain=["H&E"], preparation=["FFPE", "frozen"], organs=[]),
        provenance=Provenance(
            teacher=None,
            data=f"student: ImageNet-1k photographs, no histology ({WEIGHTS_PACKAGE}, sha256 {WEIGHTS_SHA256}); "
            "head: no data, weights drawn at random",
            config=f"a head of random weights, seed {seed}",
            commit=commit,
            licence="Apache-2.0",
            attribution="EfficientNet-Lite0 weights: Google (TensorFlow TPU models, Apache-2.0), converted to PyTorch "
            "by ML Illustrated (Apache-2.0). EfficientNet: Tan and Le 2019. Gated attention: Ilse et al. 2018.",
        ),
        card="# A model for tests\n",
    )
