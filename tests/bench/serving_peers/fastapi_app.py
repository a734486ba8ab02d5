"""FastAPI + ONNX Runtime, the way most would write it first, but for the body: raw float32 costs it least.

The run takes 0.07 ms, less than handing it to a thread would: so it happens on the event loop.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from session import Model

app = FastAPI()
model = Model()


@app.post("/predict")
async def predict(request: Request) -> Response:
    return Response(model.of_bytes(await request.body()), media_type="application/octet-stream")
