"""The check of the prose finds long sentences and private terms where people read them, and nothing in code."""

import pytest

from docs import words

LONG = f"This sentence has {' '.join(['very'] * 25)} many words."
SHORT = f"This sentence has {' '.join(['very'] * 20)} many words."


def faults(path, text):
    path.write_text(text, encoding="utf-8")
    return [(line, fault) for line, fault, _ in words.check(path)]


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("page.md", "# Title\n\n{}\n"),
        ("list.md", "# Title\n\n- {}\n- More.\n"),
        ("table.md", "| a | b |\n|---|---|\n| x | {} |\n"),
        ("docstring.py", '"""A module.\n\n{}\n"""\n'),
        ("message.py", "def refuse(x):\n\n    raise ValueError('{}')\n"),
        ("parts.py", "def refuse(x):\n\n    raise ValueError(f'No {{x}}. ' f'{}')\n"),
        ("comment.py", "a = 1\n\n# {}\nb = 2  # Short.\n"),
        ("help.py", "import typer\n\ntyper.Option(help='{}')\n"),
        ("page.html", "<html>\n<style>{}</style>\n<p>{}</p>\n"),
        ("label.html", '<html>\n\n<input title="{}">\n'),
        ("page.js", "const a = 1; // {}\n\nshow('{}', `x`);\n"),
    ],
)
def test_a_long_sentence_is_found_at_its_line_and_a_short_one_passes(tmp_path, name, page):
    assert faults(tmp_path / name, page.replace("{}", LONG).replace("{{x}}", "{x}")) == [(3, "30 words")]
    assert faults(tmp_path / name, page.replace("{}", SHORT).replace("{{x}}", "{x}")) == []


def test_a_private_term_is_found_with_the_usual_word(tmp_path):
    text = "Jobs wait on disk. The nursery is a process.\n"
    assert faults(tmp_path / "page.md", text) == [(1, "'nursery': fork server")]
    assert faults(tmp_path / "page.md", "The job was\nhanded back.\n") == [(1, "'handed back': requeued; returned")]


def test_parts_of_words_and_usual_words_pass(tmp_path):
    assert faults(tmp_path / "page.md", "Nurseryman, unbelieved, wholesale: the job is requeued.\n") == []


def test_code_is_left_out(tmp_path):
    text = f"Run this:\n\n    {LONG}\n\n```\n{LONG}\n```\n\nSay `{LONG}`. <!-- {LONG} -->\n"
    assert faults(tmp_path / "page.md", text) == []


def test_a_link_counts_by_its_text(tmp_path):
    assert faults(tmp_path / "page.md", f"See [the page](a-{'-b' * 200}.md), {SHORT[:40]}.\n") == []


def test_a_value_in_a_message_is_one_word(tmp_path):
    values = " ".join(["{a or b or c}"] * 20)
    assert faults(tmp_path / "code.py", f"f'These are {values} values.'\n") == []
