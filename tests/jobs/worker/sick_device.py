"""A real worker whose device can fall ill: `python -m tests.jobs.worker.sick_device FOLDER`.

It computes as a CPU does until there is a file FOLDER/hangs or FOLDER/fails; from then on a batch never ends, or fails.
As with a GPU's library, what cleans up at the process's end hangs too.
"""

import atexit
import sys
import time
from pathlib import Path

from app.errors import InferenceFailedError
from app.inference.embedder import Batching
from app.inference.model import load_model
from app.jobs.worker import context, device_watch
from app.run.worker_process import run_worker
from app.settings import load_settings
from app.system.logs import configure_logs
from tests.inference.small_device import SmallDevice, on_small_device

LIMIT_S = 2.0


def main(folder: Path) -> None:
    class SickDevice(SmallDevice):
        def run(self, outputs, feeds):
            if (folder / "hangs").exists():
                time.sleep(600)
            if (folder / "fails").exists():
                raise InferenceFailedError("CUDA failure 700: an illegal memory access was encountered")
            return super().run(outputs, feeds)

    def installed(settings, model_folder):
        model = load_model(model_folder, device="cpu", threads=1)
        batching = Batching((4, 16), is_padded=True, lanes=1, niceness=0, limit_s=LIMIT_S)
        return on_small_device(model, 16, batching, SickDevice)[0]

    context.installed_model = installed
    device_watch.PROVE_IDLE_S = 0.5
    atexit.register(time.sleep, 600)
    configure_logs("info", "json")
    run_worker(load_settings())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
