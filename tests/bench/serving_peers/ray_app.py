"""A Ray Serve deployment: `python ray_app.py PORT`, until it is ended."""

from __future__ import annotations

import signal
import sys

import ray
from ray import serve
from session import Model
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(max_ongoing_requests=128)
class Mnist:
    def __init__(self) -> None:
        self._model = Model()

    async def __call__(self, request: Request) -> Response:
        return Response(self._model.of_bytes(await request.body()), media_type="application/octet-stream")


def main(port: str) -> None:
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
    serve.start(http_options={"host": "127.0.0.1", "port": int(port), "access_log": False})
    serve.run(Mnist.bind(), route_prefix="/predict")
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
