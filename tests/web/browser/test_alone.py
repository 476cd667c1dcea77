"""The pages with the network cut off: service and browser in a network namespace that has loopback alone."""

import os
import re
import subprocess
import sys

import pytest

from tests.service import ROOT

TESTS = "tests/web/browser/test_pages.py"
CHOSEN = ("a_slide_is_dropped_watched_and_opened", "a_top_tile_is_flown_to")


@pytest.fixture
def apart() -> list[str]:
    """What makes a network namespace, as root or as whoever may be root in a namespace of users."""
    for command in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                return command
        except FileNotFoundError:
            pytest.skip("there is no unshare on this machine (util-linux): the network is not cut off")
    pytest.skip("this machine lets nobody make a network namespace: the network is not cut off")


@pytest.mark.usefixtures("chromium", "slides_dir")
def test_the_pages_need_no_network(apart: list[str]) -> None:
    command = [*apart, sys.executable, "-m", "tests.web.browser.alone", sys.executable, "-m", "pytest", "-q"]
    chosen = [f"{TESTS}::test_{name}" for name in CHOSEN]
    environment = os.environ | {"XMAG_TEST_WEB": "1", "REQUIRE": "1"}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-o", "addopts=", *chosen],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert re.search(rf"\b{len(CHOSEN)} passed", done.stdout)
