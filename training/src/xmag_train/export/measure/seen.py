"""Whether a student saw what it shall measure on: told by the regions that its checkpoint says it learnt from."""

from pathlib import Path

from xmag_train.data.cohort.table import fold_of_cases
from xmag_train.data.shards import regions_sha256
from xmag_train.export.config import SlideReadingConfig
from xmag_train.export.measure.tiles import Split
from xmag_train.networks.students.checkpoint import read_checkpoint


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
            f"{student} did not learn from just the regions outside fold {fold}. As measuring_student, name "
            f"the student of the run that left fold {fold} out, distilled on the same shards"
        )


def never_saw(entry: SlideReadingConfig, split: Split, folds: Path) -> bool:
    """Whether the student of ``entry`` left the slide's case out, and learnt from just the other regions of ``split``.

    False where that is not known, for no case is named or the student is not of these regions. ValueError for a case
    that is in no fold.
    """
    fold_of = fold_of_cases(folds, () if entry.case is None else [entry.case])
    content = read_checkpoint(entry.student)
    said = content["config"]
    if "leave_out_fold" not in said or (entry.case is None and not entry.in_no_fold):
        return False
    left_out = {
        *said.get("leave_out_cases", ()),
        *(case for case in fold_of if fold_of[case] == said["leave_out_fold"]),
    }
    learnt = [region for region in (*split.inside, *split.outside) if region.meta.case not in left_out]
    return content["regions_sha256"] == regions_sha256(learnt) and (entry.in_no_fold or entry.case in left_out)
