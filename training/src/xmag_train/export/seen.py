"""Whether a student may measure on the held-out cases: told by the regions that its checkpoint says it learnt from."""

from pathlib import Path

from xmag_train.data.shards import regions_sha256
from xmag_train.export.tiles import Split
from xmag_train.students.checkpoint import read_checkpoint


def refuse_one_that_saw(student: Path, split: Split, fold: int) -> None:
    """ValueError for a `student.pt` that was refit on all regions, or whose distillation left another fold out.

    A student that was tuned on some of the regions outside the fold passes: its checkpoint does not tell them apart.
    """
    content = read_checkpoint(student)
    learnt, said = content["regions_sha256"], content["config"]
    if learnt == regions_sha256(split.outside):
        return
    distilled = "leave_out_fold" in said and not said.get("leave_out_cases")
    if distilled or learnt == regions_sha256((*split.inside, *split.outside)):
        raise ValueError(
            f"{student} did not learn from just the regions outside fold {fold}: name as measuring_student that of the "
            f"run that left fold {fold} out, distilled on the same shards"
        )


def left_cases_out(student: Path) -> bool:
    """Whether a `student.pt` says that its distillation left a fold or cases out."""
    said = read_checkpoint(student)["config"]
    return said.get("leave_out_fold") is not None or bool(said.get("leave_out_cases"))
