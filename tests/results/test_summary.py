from app.results.summary import summary_lines
from tests.results.make_result import Recipe, make_result


def summary(recipe: Recipe | None = None) -> str:
    return "\n".join(summary_lines(make_result(recipe).document))


def test_summary_tells_slide_prediction_quality_times_and_model() -> None:
    assert summary().splitlines() == [
        "Slide: aperio, 4259 × 3407 px, 0.526 µm/px (from the file), sha256 555555555555",
        "Tissue: 2.41 mm², 12 of 20 tiles of 224 px at 2 µm/px",
        "",
        "mil",
        "  normal  0.300",
        "  tumour  0.700",
        "  UNTRAINED model: research and integration testing only, no medical meaning. Not a diagnosis.",
        "",
        "Quality: ink 0 %, out of focus 2.0 %, dark 0.1 %, stain H&E",
        "Seconds: survey 0.20, read 0.50, embed 1.00",
        "Model: xmag-lite0 0.1.0, fp32 on CPUExecutionProvider, manifest aaaaaaaaaaaa",
    ]


def test_a_warning_is_said_once_wherever_it_stands() -> None:
    assert (
        summary(Recipe(warnings=["stain_not_he: the stain is not H&E."])).count("Warning: The stain is not H&E.") == 1
    )


def test_names_are_written_as_people_write_them() -> None:
    text = summary(Recipe(tasks=("tumour_type",), labels=("not_malignant", "malignant"), positive_class="malignant"))
    assert "\ntumour type\n" in text
    assert "  not malignant  0.300\n  malignant      0.700\n" in text


def test_every_head_is_told() -> None:
    text = summary(Recipe(tasks=("grade", "stage")))
    assert "\ngrade\n" in text
    assert "\nstage\n" in text
