"""Published encoders: the sizes their authors state, weights that arrive where they belong, terms told first."""

import dataclasses
import importlib.util

import pytest

from xmag_train.geometry import REGION_MPP, REGION_PX

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")
for module in ("timm", "torchvision"):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: it comes with the extra `hub`", allow_module_level=True)

from torch import nn

from xmag_train.networks.backbones.pixels import IMAGENET_MEAN, IMAGENET_STD, Normalise
from xmag_train.networks.backbones.timm_import import import_timm
from xmag_train.networks.students.registry import STUDENTS, build_student, fill_student
from xmag_train.networks.students.timm_students import VIT_SMALL, VitStudent
from xmag_train.networks.teachers.catalogue import TEACHERS
from xmag_train.networks.teachers.networks import pooled
from xmag_train.networks.teachers.registry import build_teacher
from xmag_train.networks.teachers.spec import TeacherSpec

# Millions of parameters as published: model cards, and arXiv 2408.00738 for Virchow2.
PUBLISHED_MILLIONS = {
    "uni2_h": 681,
    "uni": 303,
    "virchow2": 631,
    "h_optimus_1": 1135,
    "gigapath": 1135,
    "phikon_v2": 303,
    "dinov2_vitb14": 86,
}
# As their cards state them: width of the embedding, tile in px, µm/px (None: photographs), pooling, mean, std.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OPTIMUS = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
LITE = ((127 / 255,) * 3, (128 / 255,) * 3)
PUBLISHED = {
    "efficientnet_lite2": (1280, 224, None, "map_mean", *LITE),
    "uni2_h": (1536, 224, 0.5, "cls", *IMAGENET),
    "uni": (1024, 224, 0.5, "cls", *IMAGENET),
    "virchow2": (2560, 224, 0.5, "cls_and_patch_mean", *IMAGENET),
    "h_optimus_1": (1536, 224, 0.5, "cls", *OPTIMUS),
    "gigapath": (1536, 224, 0.5, "cls", *IMAGENET),
    "phikon_v2": (1024, 224, 0.5, "cls", *IMAGENET),
    "dinov2_vitb14": (768, 224, None, "cls", *IMAGENET),
}
TILES = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def small(name: str) -> dict[str, int]:
    """One block in place of many: every other shape stays as published."""
    if TEACHERS[name].family == "transformers_dinov2":
        if importlib.util.find_spec("transformers") is None:
            pytest.skip("transformers is not installed: it comes with the extra `hub`")
        return {"num_hidden_layers": 1}
    return {"depth": 1}


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_a_teacher_states_what_its_card_does(name) -> None:
    spec = TEACHERS[name]
    assert (spec.dim, spec.tile_px, spec.mpp, spec.pooling, spec.mean, spec.std) == PUBLISHED[name]


def test_a_teacher_computes_in_full_precision_on_a_gpu_too(monkeypatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    build_teacher("efficientnet_lite2", "random")
    assert not torch.backends.cudnn.allow_tf32


def test_no_fact_of_a_card_has_a_default() -> None:
    stated = {"dim", "tile_px", "mpp", "pooling", "mean", "std"}
    fields = {field.name: field for field in dataclasses.fields(TeacherSpec)}
    assert all(fields[name].default is dataclasses.MISSING for name in stated)


def test_sixteen_tiles_of_every_teacher_are_a_region() -> None:
    assert {spec.tile_px * 4 for spec in TEACHERS.values()} == {REGION_PX}
    assert {spec.mpp for spec in TEACHERS.values()} == {REGION_MPP, None}


@pytest.mark.parametrize("name", sorted(PUBLISHED_MILLIONS))
def test_the_architecture_has_the_published_size(name) -> None:
    small(name)
    with torch.device("meta"):
        teacher = build_teacher(name, "random")
    assert round(sum(p.numel() for p in teacher.backbone.parameters()) / 1e6) == PUBLISHED_MILLIONS[name]


@pytest.mark.parametrize("name", sorted(PUBLISHED_MILLIONS))
def test_a_file_of_published_shape_fills_the_teacher(name, tmp_path) -> None:
    torch.manual_seed(1)
    source = build_teacher(name, "random", **small(name))
    torch.save(source.backbone.state_dict(), tmp_path / "pytorch_model.bin")
    told: list[str] = []
    torch.manual_seed(2)
    loaded = build_teacher(name, tmp_path / "pytorch_model.bin", told.append, **small(name))
    with torch.inference_mode():
        found, wanted = loaded(TILES[:1]), source(TILES[:1])
    assert found.shape == (1, loaded.spec.dim) and torch.equal(found, wanted)
    assert bool(told) == (loaded.spec.gated or not loaded.spec.commercial)
    state = source.backbone.state_dict()
    state.pop(next(iter(state)))
    torch.save(state, tmp_path / "short.bin")
    with pytest.raises(RuntimeError, match="Missing key"):
        build_teacher(name, tmp_path / "short.bin", told.append, **small(name))


def test_virchow2_is_the_class_token_beside_the_mean_of_patches_without_registers() -> None:
    sequence = torch.arange(2 * 9 * 3, dtype=torch.float32).reshape(2, 9, 3)
    found = pooled(sequence, 5, "cls_and_patch_mean")
    assert torch.equal(found, torch.cat([sequence[:, 0], sequence[:, 5:].mean(dim=1)], dim=1))
    assert torch.equal(pooled(sequence, 5, "cls"), sequence[:, 0])


def test_dinov2_at_518_px_is_resampled_to_224() -> None:
    published = import_timm().create_model("vit_small_patch14_dinov2", num_classes=0, depth=1)
    assert published.pos_embed.shape[1] == 37 * 37 + 1
    student = VitStudent(VIT_SMALL, depth=1)
    fill_student(student, STUDENTS["dinov2_vits14"], published.state_dict())
    assert student.vit.pos_embed.shape[1] == 16 * 16 + 1
    torch.testing.assert_close(student.vit.blocks[0].attn.qkv.weight, published.blocks[0].attn.qkv.weight)


def test_a_vit_token_is_the_mean_of_its_4_by_4_patches() -> None:
    student = VitStudent(VIT_SMALL, depth=1).eval()
    patches = torch.rand(1, 256, 384, generator=torch.Generator().manual_seed(3))
    student.vit.forward_features = lambda _: torch.cat([torch.zeros(1, 1, 384), patches], dim=1)
    tokens = student(TILES[:1])[1]
    grid = patches.reshape(16, 16, 384)
    torch.testing.assert_close(tokens[0, 1, 3], grid[4:8, 12:16].mean(dim=(0, 1)))


DIMS = {"efficientvit_m2": 224, "dinov2_vits14": 384}


@pytest.mark.parametrize("name", STUDENTS)
def test_students_keep_the_contract(name, tmp_path) -> None:
    dim = DIMS.get(name) or build_student(name, "random").embedding_dim
    student = build_student(name, "random").eval()
    with torch.inference_mode():
        embedding, tokens = student(TILES)
    assert student.embedding_dim == dim
    assert embedding.shape == (2, dim) and tokens.shape == (2, 4, 4, dim)
    torch.save(student.state_dict(), tmp_path / "whole.pt")
    again = build_student(name, tmp_path / "whole.pt").eval()
    with torch.inference_mode():
        assert torch.equal(again(TILES)[0], embedding)


def test_the_tokens_of_efficientvit_lie_where_its_tile_is() -> None:
    """A change in the tile's top left quarter moves the token there most, by row and column."""
    student = build_student("efficientvit_m2", "random").eval()
    changed = TILES[:1].clone()
    changed[:, 10:40, 180:210] = 255 - changed[:, 10:40, 180:210]
    with torch.inference_mode():
        moved = (student(changed)[1] - student(TILES[:1])[1]).norm(dim=-1)[0]
    assert divmod(int(moved.argmax()), 4) == (0, 3)


def test_normalising_is_that_of_torchvision() -> None:
    pixels = Normalise(IMAGENET_MEAN, IMAGENET_STD)(TILES)
    wanted = (TILES.permute(0, 3, 1, 2) / 255.0 - torch.tensor(IMAGENET_MEAN)[:, None, None]) / (
        torch.tensor(IMAGENET_STD)[:, None, None]
    )
    torch.testing.assert_close(pixels, wanted, atol=1e-5, rtol=1e-5)


def test_weights_that_a_model_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="take hub or a file"):
        build_teacher("uni", "imagenet", depth=1)
    with pytest.raises(ValueError, match="take imagenet or a file"):
        build_student("efficientnet_lite0", "hub")
    assert not any(isinstance(m, nn.Dropout) and m.training for m in build_teacher("uni", "random", depth=1).modules())
