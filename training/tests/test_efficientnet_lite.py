"""EfficientNet-Lite0 and Lite2: the published sizes, and weights that still recognise what they learned."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from PIL import Image
from torch.nn import functional

from xmag_train.export.package import export_student
from xmag_train.networks.backbones.efficientnet_lite import (
    LITE0,
    LITE2,
    PIXEL_MEAN,
    PIXEL_STD,
    EfficientNetLite,
    Scale,
)
from xmag_train.networks.backbones.timm_import import import_timm
from xmag_train.networks.imagenet import LITE0_FILE, LITE2_FILE, load_imagenet, read_weights
from xmag_train.networks.students.checkpoint import load_student, save_student
from xmag_train.networks.students.registry import build_student
from xmag_train.networks.teachers.registry import build_teacher

PALACE = 698  # its class in ImageNet-1k


@pytest.mark.parametrize(("name", "scale"), [("tf_efficientnet_lite0", LITE0), ("tf_efficientnet_lite2", LITE2)])
def test_it_is_the_network_that_timm_has(name: str, scale: Scale) -> None:
    ours, theirs = EfficientNetLite(scale).eval(), import_timm().create_model(name, num_classes=0).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    tiles = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = theirs.forward_features((tiles.permute(0, 3, 1, 2) - PIXEL_MEAN) / PIXEL_STD)
        torch.testing.assert_close(ours.feature_map(tiles), wanted)


@pytest.mark.parametrize(("scale", "file", "millions"), [(LITE0, LITE0_FILE, 4.65), (LITE2, LITE2_FILE, 6.09)])
def test_a_palace_is_still_a_palace(scale, file, millions) -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn brings the photograph")
    photograph = Image.fromarray(datasets.load_sample_image("china.jpg")).crop((100, 0, 527, 427))
    pixels = np.array(photograph.resize((224, 224), Image.Resampling.BICUBIC))
    backbone = load_imagenet(EfficientNetLite(scale), file)
    source = read_weights(file)
    with torch.inference_mode():
        embedding, tokens = backbone(torch.from_numpy(pixels)[None])
    logits = embedding @ source["_fc.weight"].T + source["_fc.bias"]
    print(f"class {int(logits.argmax())}, probability {float(logits.softmax(1).max()):.2f}")
    assert int(logits.argmax()) == PALACE
    torch.testing.assert_close(tokens.mean(dim=(1, 2)), embedding, atol=1e-4, rtol=1e-4)
    classifier = source["_fc.weight"].numel() + source["_fc.bias"].numel()
    assert round((sum(p.numel() for p in backbone.parameters()) + classifier) / 1e6, 2) == millions


def test_a_shorter_student_is_the_whole_one_with_blocks_that_do_nothing(tmp_path) -> None:
    whole = build_student("efficientnet_lite0_192", "imagenet")
    save = tmp_path / "whole.pt"
    torch.save(whole.state_dict(), save)
    tile = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    for number in (4, 7, 10):
        torch.nn.init.zeros_(whole.blocks[number].project[-1].weight)
        torch.nn.init.zeros_(whole.blocks[number].project[-1].bias)
    wanted = whole.eval()(tile)[0]
    for weights in ("imagenet", save):
        short = build_student("efficientnet_lite0_192_short", weights).eval()
        assert len(short.blocks) == 13
        torch.testing.assert_close(short(tile)[0], wanted, atol=1e-4, rtol=1e-4)
    assert export_student(short, tmp_path / "student.onnx") < 1e-3


def test_a_block_that_changes_the_shape_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="add to their input"):
        EfficientNetLite(left_out=(4, 5))


@pytest.mark.parametrize(("side_px", "cells_across"), [(160, 5), (192, 6)])
def test_a_smaller_student_sees_the_tile_brought_down_and_exports(tmp_path, side_px: int, cells_across: int) -> None:
    student = build_student(f"efficientnet_lite0_{side_px}", "imagenet").eval()
    whole = build_student("efficientnet_lite0", "imagenet").eval()
    rows = torch.linspace(20, 230, 224)[:, None, None].expand(224, 224, 3)
    tile = rows.round().to(torch.uint8)[None]
    with torch.inference_mode():
        cells = student.feature_map(tile)
        embedding, tokens = student(tile)
        brought_down = functional.interpolate(
            tile.permute(0, 3, 1, 2).float(), size=(side_px, side_px), mode="bilinear"
        )
        wanted = whole.act(whole.top(whole.blocks(whole.act(whole.stem((brought_down - 127.0) / 128.0)))))
    assert cells.shape == (1, 1280, cells_across, cells_across) and tokens.shape == (1, 4, 4, 1280)
    torch.testing.assert_close(cells, wanted, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(tokens.mean(dim=(1, 2)), embedding, atol=1e-4, rtol=1e-4)
    assert export_student(student, tmp_path / "student.onnx") < 1e-3


def test_the_teacher_gives_the_mean_of_its_map_and_does_not_learn() -> None:
    teacher = build_teacher("efficientnet_lite2", "imagenet")
    tiles = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    embeddings = teacher(tiles)
    assert embeddings.shape == (2, teacher.spec.dim)
    torch.testing.assert_close(embeddings, teacher.backbone(tiles)[0])
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())


def test_a_checkpoint_gives_back_the_student_it_was_made_of(tmp_path) -> None:
    student = build_student("efficientnet_lite0", "random").eval()
    student.stem[2].running_mean += 0.5  # a statistic, not a parameter
    save_student(tmp_path / "student.pt", "efficientnet_lite0", student.state_dict(), {"steps": 3}, "0" * 64)
    name, module = load_student(tmp_path / "student.pt")
    assert name == "efficientnet_lite0" and not module.training
    assert [path.name for path in tmp_path.iterdir()] == ["student.pt"]
    for key, value in student.state_dict().items():
        assert torch.equal(module.state_dict()[key], value), key


def test_names_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="no student"):
        build_student("resnet", "random")
    with pytest.raises(ValueError, match="no teacher"):
        build_teacher("resnet", "random")
