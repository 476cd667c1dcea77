from pathlib import Path

from app.slides.sandbox.scrub import scrub, scrub_paths

SLIDE = Path("/srv/Erika Muster/Muster 1950.mrxs")


def test_every_form_of_a_slides_name_goes():
    text = (
        "'/srv/Erika Muster/Muster 1950.mrxs' broke\n/srv/Erika Muster/Muster 1950/Slidedat.ini: gone, "
        "Muster 1950.mrxs, Muster 1950: line 3"
    )
    said = scrub(text, [SLIDE], "<slide>")
    assert said == "'<slide>' broke\n<slide>: gone, <slide>, <slide>: line 3"


def test_files_of_a_folder_go_and_so_do_earlier_slides():
    text = "/srv/case/A B.svs: bad\n/data/old.svs"
    assert scrub(text, [Path("/srv/case"), Path("/data/old.svs")], "<slide>") == "<slide>: bad\n<slide>"


def test_sentences_keep_their_words():
    assert scrub_paths("The slide slide.svs broke.", [Path("/a/slide.svs")], "the file") == (
        "The slide the file broke."
    )
    assert scrub_paths("At /usr/lib: no", [Path("/s.svs")], "the file") == "At /usr/lib: no"
