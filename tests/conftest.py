"""What holds for every test."""

from __future__ import annotations

import os

# The tests' own ONNX Runtime sessions report to nobody either; read once, at its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
