"""docker/proxy.sh with stand-ins for `caddy` and `certificate.sh`: what the Caddyfile is given."""

import os
import re
import subprocess

from tests.service import ROOT


def environment_of_caddy(tmp_path, **settings: str) -> dict[str, str]:
    for name, text in (("caddy", "env -0"), ("certificate.sh", "true")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **settings}
    said = subprocess.check_output([ROOT / "docker" / "proxy.sh"], env=environment, text=True)
    return dict(line.split("=", 1) for line in said.split("\0") if line)


def test_all_that_the_caddyfile_asks_for_is_given(tmp_path):
    asked = set(re.findall(r"\{\$(\w+)\}", (ROOT / "docker" / "Caddyfile").read_text()))
    assert len(asked) == 3
    assert asked <= set(environment_of_caddy(tmp_path))


def test_outer_proxies_are_none_unless_named_and_then_a_list_of_words(tmp_path):
    assert environment_of_caddy(tmp_path)["XMAG_OUTER_PROXIES"] == ""
    named = environment_of_caddy(tmp_path, XMAG_OUTER_PROXIES="10.0.0.5,10.0.1.0/24")
    assert named["XMAG_OUTER_PROXIES"].split() == ["10.0.0.5", "10.0.1.0/24"]
