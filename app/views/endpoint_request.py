"""The request that any program can send to an endpoint, as text to copy."""

from __future__ import annotations

import streamlit as st

from app import theme
from backend.domain.serving import TRITON_MODEL, Endpoint, EndpointStatus


def request_card(endpoint: Endpoint) -> None:
    with theme.card("request", "Ask it yourself"):
        if not endpoint.url and endpoint.status is EndpointStatus.IN_SERVICE:
            st.caption(
                "SageMaker's InvokeEndpoint, signed with AWS credentials: float32 [N, 28, 28, 1], pixels 0 to 1, ink "
                "bright on black; ten probabilities per image."
            )
            python, shell = st.tabs(["Python", "AWS CLI"], key="request_language")
            python.code(boto3_example(endpoint.name), language="python", wrap_lines=True)
            shell.code(aws_example(endpoint.name), language="bash", wrap_lines=True)
            return
        if not endpoint.url:
            st.caption("It is down: there is nobody to ask. The request to copy is here when it serves again.")
            return
        where = (
            "This is its address as the dashboard reaches it; from elsewhere it may have another."
            if endpoint.external
            else "It listens on this machine only."
        )
        st.caption(
            "KServe V2 over HTTP: float32 [N, 28, 28, 1], pixels 0 to 1, ink bright on black; ten probabilities "
            f"per image. {where}"
        )
        curl, python = st.tabs(["curl", "Python"], key="request_language")
        curl.code(curl_example(endpoint.url), language="bash", wrap_lines=True)
        python.code(python_example(endpoint.url), language="python", wrap_lines=True)


def curl_example(url: str) -> str:
    """Sends a blank image as JSON; any POSIX shell."""
    return f"""\
pixels=$(seq -s, 784 | sed 's/[0-9][0-9]*/0/g')
curl -s {url}/v2/models/{TRITON_MODEL}/infer \\
  -H 'Content-Type: application/json' \\
  -d '{{"inputs": [{{"name": "input_1", "datatype": "FP32", "shape": [1, 28, 28, 1], "data": ['"$pixels"']}}]}}'
"""


def boto3_example(name: str) -> str:
    """Sends a blank image to an endpoint of SageMaker as JSON: `pip install boto3`."""
    return f"""\
import json
import boto3

tensor = {{"name": "input_1", "datatype": "FP32", "shape": [1, 28, 28, 1], "data": [0.0] * 784}}
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName="{name}", ContentType="application/json", Body=json.dumps({{"inputs": [tensor]}})
)
print(json.load(answer["Body"])["outputs"][0]["data"])
"""


def aws_example(name: str) -> str:
    """Sends a blank image to an endpoint of SageMaker with the AWS command line, version 2."""
    return f"""\
pixels=$(seq -s, 784 | sed 's/[0-9][0-9]*/0/g')
aws sagemaker-runtime invoke-endpoint --endpoint-name {name} \\
  --content-type application/json --cli-binary-format raw-in-base64-out /dev/stdout \\
  --body '{{"inputs": [{{"name": "input_1", "datatype": "FP32", "shape": [1, 28, 28, 1], "data": ['"$pixels"']}}]}}'
"""


def python_example(url: str) -> str:
    """Sends a blank image in binary, which is faster: `pip install 'tritonclient[http]'`."""
    return f"""\
import numpy as np
from tritonclient.http import InferenceServerClient, InferInput

image = np.zeros((1, 28, 28, 1), np.float32)
tensor = InferInput("input_1", image.shape, "FP32")
tensor.set_data_from_numpy(image)
client = InferenceServerClient("{url.removeprefix("http://")}")
answer = client.infer("{TRITON_MODEL}", [tensor])
print(answer.get_response()["model_version"], answer.as_numpy("output_1"))
"""
