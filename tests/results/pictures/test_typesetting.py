from PIL import Image

from app.results.pictures.typesetting import TextStyle, page, text_block, wrapped

STYLE = TextStyle(16)


def test_lines_break_at_spaces_and_fit() -> None:
    text = "the model looked here and there and in many other places of this slide"
    lines = wrapped(text, STYLE, 200)
    assert len(lines) > 1
    assert " ".join(lines) == text
    assert all(STYLE.font.getlength(line) <= 200 for line in lines)


def test_a_word_longer_than_the_line_is_broken_and_nothing_is_lost() -> None:
    word = "adenocarcinoma" * 5
    lines = wrapped(word, STYLE, 120)
    assert "".join(lines) == word
    assert all(STYLE.font.getlength(line) <= 120 for line in lines)


def test_the_font_has_the_signs_and_accents_that_legends_use() -> None:
    missing = bytes(STYLE.font.getmask("\ue123"))
    assert all(bytes(STYLE.font.getmask(sign)) != missing for sign in "µ·×–“”²éäßğżαЖ≥")


def test_blocks_stack_with_gaps_and_are_centred() -> None:
    red, blue = Image.new("RGB", (100, 10), (255, 0, 0)), Image.new("RGB", (40, 20), (0, 0, 255))
    sheet = page([(red, 5), (blue, 0)], width_px=100, margin_px=7)
    assert sheet.size == (114, 49)
    assert sheet.getpixel((7, 7)) == (255, 0, 0)
    assert sheet.getpixel((37, 22)) == (0, 0, 255)
    assert sheet.getpixel((36, 22)) == (255, 255, 255)


def test_a_text_block_keeps_its_width_and_background() -> None:
    block = text_block("Not a diagnosis.", STYLE, 300, background=(1, 2, 3), padding_px=4)
    assert block.width == 300
    assert block.getpixel((0, 0)) == (1, 2, 3)
