"""MLServer's custom runtime, with its own codec for NumPy."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from session import Model


class Mnist(MLModel):
    async def load(self) -> bool:
        self._model = Model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pixels = NumpyCodec.decode_input(payload.inputs[0]).astype("float32", copy=False)
        output = NumpyCodec.encode_output("output_1", self._model(pixels))
        return InferenceResponse(model_name=self.name, outputs=[output])
