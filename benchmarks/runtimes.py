"""The student under onnxruntime and under OpenVINO, in turn, on the same real tiles, in an environment of their own.

Usage: python benchmarks/runtimes.py SLIDE [--rounds 5] [--tiles 64]      (after benchmarks/peers/install.sh openvino)
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from embedding import some_tiles
from machine import MODEL, ROOT, describe, options

from app.inference.model import load_model
from app.system.logs import configure_logs

HERE = ROOT / "benchmarks"


def main() -> None:
    given = options(__doc__, "slide", rounds=5, tiles=64)
    print("\n".join(f"- {line}" for line in describe()) + "\n", flush=True)
    tiles = some_tiles(given.slide, load_model(MODEL, device="cpu", precision="fp32"), given.tiles)
    with tempfile.TemporaryDirectory(prefix="xmag-bench-") as folder:
        file = Path(folder) / "tiles.npy"
        np.save(file, tiles)
        python = HERE / ".peers" / "openvino" / "bin" / "python"
        command = [str(python), str(HERE / "peers" / "run_openvino.py"), str(MODEL), str(file), str(given.rounds)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    configure_logs("warning", "text")  # standard output is the table's
    main()
