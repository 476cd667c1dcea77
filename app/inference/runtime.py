"""The one place that imports onnxruntime: telemetry off before it loads, its log quiet after."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

LOG_ERRORS, LOG_FATAL = 3, 4
onnxruntime.set_default_logger_severity(LOG_ERRORS)

__all__ = ["LOG_ERRORS", "LOG_FATAL", "onnxruntime"]
