"""The request that asks a stage about this very picture, from any program: to copy."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import streamlit as st

from app.views.stage_card import TITLES
from backend.digits.normalise import normalise
from backend.domain.serving import TRITON_MODEL, Endpoint, EndpointStatus
from backend.services.prediction import Pixels


def request_fold(stages: Sequence[Endpoint], seen: Pixels | None) -> None:
    """A fold, whose content is made and sent only while it is open: it is larger than all the rest of an answer."""
    up = {one.stage: one for one in stages if one.url or one.status is EndpointStatus.IN_SERVICE}
    fold = st.expander(
        "Copy as curl or Python", icon=":material/content_copy:", type="compact", key="draw_request", on_change="rerun"
    )
    if not fold.open:
        return
    with fold:
        if seen is None or not up:
            st.caption("Draw first: the request asks about your drawing." if up else "No stage serves now.")
            return
        stage = st.segmented_control(
            "Ask", list(up), default=next(iter(up)), required=True, format_func=TITLES.__getitem__, key="request_stage"
        )
        stage = stage or next(iter(up))
        endpoint = up[stage]
        st.caption(
            "It asks about the picture as the model sees it: pixels 0 to 1, ink bright. Copy it again after a change."
        )
        shell, python, command = st.tabs(
            ["curl" if endpoint.url else "AWS CLI", "Python", "Command line"], key="draw_request_language"
        )
        ask = curl_request(endpoint.url, seen) if endpoint.url else aws_request(endpoint.name, seen)
        shell.code(ask, language="bash", wrap_lines=True, height=220)
        ask = python_request(endpoint.url, seen) if endpoint.url else boto3_request(endpoint.name, seen)
        python.code(ask, language="python", wrap_lines=True, height=220)
        with command:
            st.code(f"python -m backend predict --stage {stage.value} digit.npy", language=None, wrap_lines=True)
            st.download_button(
                "digit.npy", as_npy(seen), "digit.npy", icon=":material/download:", help="What the model sees."
            )


def curl_request(url: str, seen: Pixels) -> str:
    """Asks as JSON; any POSIX shell."""
    return f"""\
curl -s {url}/v2/models/{TRITON_MODEL}/infer \\
  -H 'Content-Type: application/json' \\
  -d '{{"inputs": [{{"name": "input_1", "datatype": "FP32", "shape": [1, 28, 28, 1], "data": [{_values(seen)}]}}]}}'
"""


def aws_request(name: str, seen: Pixels) -> str:
    """Asks an endpoint of SageMaker with the AWS command line, version 2, which signs."""
    return f"""\
aws sagemaker-runtime invoke-endpoint --endpoint-name {name} \\
  --content-type application/json --cli-binary-format raw-in-base64-out /dev/stdout \\
  --body '{{"inputs": [{{"name": "input_1", "datatype": "FP32", "shape": [1, 28, 28, 1], "data": [{_values(seen)}]}}]}}'
"""


def python_request(url: str, seen: Pixels) -> str:
    """Asks in JSON with what Python brings along; NumPy is not needed."""
    return f"""\
import base64, json, urllib.request

pixels = base64.b64decode(
    "{base64.b64encode(seen.tobytes()).decode()}"
)
tensor = {{
    "name": "input_1",
    "datatype": "FP32",
    "shape": [1, 28, 28, 1],
    "data": [value / 255 for value in pixels],
}}
request = urllib.request.Request(
    "{url}/v2/models/{TRITON_MODEL}/infer",
    json.dumps({{"inputs": [tensor]}}).encode(),
    {{"Content-Type": "application/json"}},
)
answer = json.load(urllib.request.urlopen(request))
probabilities = answer["outputs"][0]["data"]
print(answer["model_version"], max(range(10), key=probabilities.__getitem__), probabilities)
"""


def boto3_request(name: str, seen: Pixels) -> str:
    """Asks an endpoint of SageMaker: `pip install boto3`."""
    return f"""\
import base64, json
import boto3

pixels = base64.b64decode(
    "{base64.b64encode(seen.tobytes()).decode()}"
)
tensor = {{
    "name": "input_1",
    "datatype": "FP32",
    "shape": [1, 28, 28, 1],
    "data": [value / 255 for value in pixels],
}}
reply = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName="{name}", ContentType="application/json", Body=json.dumps({{"inputs": [tensor]}})
)
answer = json.load(reply["Body"])
probabilities = answer["outputs"][0]["data"]
print(max(range(10), key=probabilities.__getitem__), probabilities)
"""


def _values(seen: Pixels) -> str:
    return ",".join(f"{value:.4g}" for value in normalise(seen[None]).ravel().tolist())


def as_npy(seen: Pixels) -> bytes:
    """The picture as `predict` takes it."""
    file = io.BytesIO()
    np.save(file, seen)
    return file.getvalue()
