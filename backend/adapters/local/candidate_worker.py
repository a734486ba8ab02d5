"""One archive, run in ONNX Runtime in a process of its own: what crashes or hangs in a model file ends here.

`python -m backend.adapters.local.candidate_worker ARCHIVE SHA256`
First answers one JSON line: `{}` when it can be asked, `{"error": ...}` when the archive cannot be run. Then each
request is a uint32 N and N x 784 float32, each answer N x 10 float32 and a float64, the milliseconds it took; all in
the machine's byte order, over pipes. Ends when its standard input does, or after ten minutes without a request.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
import time
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from backend.adapters.triton.archive import read_archive
from backend.adapters.triton.onnx_model import require_servable
from backend.errors import ArchiveRejectedError

COUNT: Final = struct.Struct("=I")
MILLISECONDS: Final = struct.Struct("=d")
IMAGE_BYTES: Final = 784 * 4
ANSWER_BYTES: Final = 10 * 4
IDLE_SECONDS: Final = 600.0


def serve(archive: Path, sha256: str, requests: BinaryIO, answers: BinaryIO) -> None:
    content = read_archive(archive, sha256=sha256).onnx
    require_servable(content)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as ort  # only for what was found to be a model

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common type of their own
        raise ArchiveRejectedError(f"ONNX Runtime cannot load the model: {str(error)[:300]}") from error
    answers.write(b"{}\n")
    answers.flush()
    while select.select([requests], [], [], IDLE_SECONDS)[0] and (header := requests.read(COUNT.size)):
        (count,) = COUNT.unpack(header)
        pixels = np.frombuffer(requests.read(count * IMAGE_BYTES), np.float32).reshape(count, 28, 28, 1)
        begun = time.perf_counter()
        (rows,) = session.run(None, {session.get_inputs()[0].name: pixels})
        took = (time.perf_counter() - begun) * 1000
        answers.write(np.ascontiguousarray(rows, np.float32).tobytes() + MILLISECONDS.pack(took))
        answers.flush()


def main() -> None:
    answers = sys.stdout.buffer
    try:
        serve(Path(sys.argv[1]), sys.argv[2], sys.stdin.buffer, answers)
    except ArchiveRejectedError as error:
        answers.write(json.dumps({"error": error.message, "hint": error.hint}).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
