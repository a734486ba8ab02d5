"""Triton's binary protocol as SageMaker carries it: one body, its JSON header's length in the content type.

https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html
SageMaker's Triton takes the binary content type only when it is the very beginning of the header; a body under any
other type must be JSON as a whole (its source, src/sagemaker_server.cc).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.adapters.triton.model_config import INPUT, OUTPUT
from backend.errors import DeploymentFailedError

BINARY: Final = "application/vnd.sagemaker-triton.binary+json;json-header-size="
_LENGTH: Final = re.compile(re.escape(BINARY) + r"(\d{1,9})")


def encode(images: npt.NDArray[np.float32]) -> tuple[str, bytes]:
    """Content type and body of a request about `images`, float32 [N, 28, 28, 1]."""
    content = np.ascontiguousarray(images, "<f4").tobytes()
    header = {
        "inputs": [
            {
                "name": INPUT,
                "shape": list(images.shape),
                "datatype": "FP32",
                "parameters": {"binary_data_size": len(content)},
            }
        ],
        "outputs": [{"name": OUTPUT, "parameters": {"binary_data": True}}],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    return f"{BINARY}{len(text)}", text + content


def decode(content_type: str, body: bytes, *, who: str) -> Any:
    """The output tensor of an answer, in either form; float32 of the shape that it says.

    Raises `DeploymentFailedError` for anything else; `who` begins its sentence. What the numbers are is not looked at.
    """
    try:
        length = _LENGTH.fullmatch(content_type.strip())
        header = json.loads(body[: int(length[1])] if length else body)
        (output,) = [o for o in header["outputs"] if (o["name"], o["datatype"]) == (OUTPUT, "FP32")]
        size = output.get("parameters", {}).get("binary_data_size")
        if length and size is not None:
            # More or fewer bytes than announced do not fit the shape below.
            values = np.frombuffer(body[int(length[1]) :], "<f4")
        else:
            values = np.array(output["data"], np.float32)
        return values.reshape([int(side) for side in output["shape"]]).astype(np.float32)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DeploymentFailedError(f"{who} answers what cannot be read: {type(error).__name__} {error}.") from error
