"""Reader processes speak in our sentences only, and every one of those passes the parent."""

import ast
import string
from pathlib import Path

import pytest

from app.errors import SlideError
from app.slides.formats import reader_sentences
from app.slides.formats.reader_sentences import is_known
from app.slides.formats.sentence import Sentence

SENTENCES = {name: value for name, value in vars(reader_sentences).items() if isinstance(value, Sentence)}
WORDS = {
    "axis": "time points",
    "channels": "3 separate channels",
    "codec": "JPEG 2000",
    "colours": "RGB",
    "compression_name": "Aperio's JPEG 2000",
    "container": "DICOM",
    "czi_compression": "JPEG XR",
    "czi_pixels": "BGR96FLOAT",
    "header_colours": "YBR_FULL_422",
    "kinds": "Basic Text SR Storage, VL Microscopic Image Storage",
    "measured": "0.25 × 0.2534",
    "organization": "3D",
    "origin": "the objective power (20x)",
    "photometric": "MONOCHROME2",
    "plane": "the first",
    "samples_kind": "signed",
    "syntax": "JPEG Baseline (Process 1)",
    "system_error": "Input/output error",
    "true_colours": "YCbCr",
}
APP = Path(reader_sentences.__file__).parent
OF_THE_PARENT = {"reader.py", "reader_process.py", "pool.py", "hashing.py"}
"""And the folders of archives and of ``xmag strip``, which no reader process enters."""
ERRORS = {SlideError.__name__, *(cls.__name__ for cls in SlideError.__subclasses__()), "StorageUnavailableError"}


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_filled_in_sentence_is_known(name):
    sentence = SENTENCES[name]
    for number in (0, 7, 0.25, 1e-7, 123456789.0, -3, float("nan"), float("inf")):
        said = sentence(**{field: WORDS.get(field, number) for field in fields(sentence)})
        assert is_known(said) and "unknown" not in said


@pytest.mark.parametrize("name", [name for name in SENTENCES if fields(SENTENCES[name]) & WORDS.keys()])
def test_a_word_of_a_file_gets_into_no_sentence(name):
    sentence = SENTENCES[name]
    said = sentence(**{field: "Erika Muster" if field in WORDS else 1 for field in fields(sentence)})
    assert "Muster" not in said and "unknown" in said and is_known(said)
    assert not is_known(said.replace("unknown", "Erika Muster"))


def raised_texts(path: Path):
    """(line, first argument) of every error of a slide that the module makes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
            yield node.lineno, ast.unparse(node.args[0])


def test_no_error_of_a_reader_process_has_a_text_of_its_own():
    found, own = 0, []
    for path in APP.rglob("*.py"):
        if path.name in OF_THE_PARENT or path.parent.name in {"archive", "anonymise"}:
            continue
        for line, text in raised_texts(path):
            found += 1
            if not text.startswith(("sentences.", "sentence(**")) and text != "fault":
                own.append(f"{path.name}:{line}: {text}")
    assert found > 50 and own == []
