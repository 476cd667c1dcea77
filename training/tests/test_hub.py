"""Weights from the hub, asked for over HTTP: the hub's client talks to a server of ours that holds one repository."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from xmag_train.networks.teachers.registry import build_teacher

COMMIT = "c" * 40
LOADED = """
import sys, torch
from xmag_train.networks.teachers.registry import build_teacher
teacher = build_teacher("uni", "hub", depth=1)
torch.save(teacher.backbone.state_dict(), sys.argv[1])
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """(address, paths asked for) of a hub that holds MahmoodLab/UNI, one block deep."""
    torch.manual_seed(1)
    torch.save(build_teacher("uni", "random", depth=1).backbone.state_dict(), tmp_path / "pytorch_model.bin")
    weights = (tmp_path / "pytorch_model.bin").read_bytes()
    asked: list[str] = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(b"")

        def do_GET(self) -> None:
            self.answer(weights)

        def answer(self, body: bytes) -> None:
            if self.path.startswith("/api/models/MahmoodLab/UNI"):
                files = [{"type": "file", "path": "pytorch_model.bin", "size": len(weights), "oid": "abc"}]
                about = {"id": "MahmoodLab/UNI", "sha": COMMIT, "siblings": [{"rfilename": "pytorch_model.bin"}]}
                told = json.dumps(files if "/tree/" in self.path else about).encode()
                self.head(told, len(told))
            elif self.path == "/MahmoodLab/UNI/resolve/main/pytorch_model.bin" or COMMIT in self.path:
                self.head(body, len(weights))
            else:
                self.send_error(404)

        def head(self, body: bytes, length: int) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", '"abc"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_teacher_is_filled_from_the_hub_and_its_terms_are_told_first(hub: tuple[str, list[str]], tmp_path) -> None:
    address, asked = hub
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-W", "ignore", "-c", LOADED, str(tmp_path / "loaded.pt")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "gated" in done.stdout and "forbid commercial use" in done.stdout
    assert any(path.startswith("/api/models/MahmoodLab/UNI") for path in asked)
    wanted = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    found = torch.load(tmp_path / "loaded.pt", weights_only=True)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
