"""Triton's backend `onnxruntime`; the server reads `model.py` from here, nothing of the product imports it."""
