"""`wsinfer` without its zoo, whose list it would download before it starts: as a module, same arguments."""

import runpy

import cpu_student  # noqa: F401 - declares torchvision's operators
import wsinfer_zoo.client

wsinfer_zoo.client.load_registry = lambda *_, **__: wsinfer_zoo.client.ModelRegistry(models={})
runpy.run_module("wsinfer", run_name="__main__")
