"""The student under onnxruntime and under OpenVINO, in turn, on the same real tiles, in an environment of their own.

Usage: python benchmarks/runtimes.py SLIDE [--rounds 5] [--tiles 64]      (after benchmarks/peers/install.sh openvino)
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from embedding import some_tiles
from machine import MODEL, ROOT, describe

from app.inference.model import load_model

HERE = ROOT / "benchmarks"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiles", type=int, default=64)
    options = parser.parse_args()
    print("\n".join(f"- {line}" for line in describe()) + "\n", flush=True)
    tiles = some_tiles(options.slide, load_model(MODEL, device="cpu", precision="fp32"), options.tiles)
    with tempfile.TemporaryDirectory(prefix="xmag-bench-") as folder:
        file = Path(folder) / "tiles.npy"
        np.save(file, tiles)
        python = HERE / ".peers" / "openvino" / "bin" / "python"
        command = [str(python), str(HERE / "peers" / "run_openvino.py"), str(MODEL), str(file), str(options.rounds)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
