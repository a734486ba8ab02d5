"""The address: one HTTP server for every service, so that child processes see the same account as the test.

Services that we play ourselves are lists of parts: objects with a method per operation (`create_training_job(request)`
returns the answer's members, or raises `AwsFault`). Everything else goes to moto.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore import xform_name
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from tests.fakes.aws import model
from tests.fakes.aws.faults import THROTTLED, AwsFault, Faults, validation
from tests.fakes.aws.zygote import Zygote

TARGETS: Final = {
    "SageMaker": "sagemaker",
    "ServiceQuotasV20190624": "service-quotas",
    "AWSPriceListService": "pricing",
}
"""Prefixes of X-Amz-Target whose service is ours, and botocore's name of it."""
_NOT_ALLOWED: Final = {
    "SimulatePrincipalPolicy": AwsFault(code="AccessDenied", message="not allowed to operators", status=403)
}
"""What moto has not, and few operators may do: the SDK asks, and goes on without an answer."""
_INVOCATION: Final = re.compile(r"/endpoints/([^/]+)/invocations")
_SCOPE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


class Runtime(Protocol):
    """What answers InvokeEndpoint."""

    def invoke_endpoint(self, name: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """The answer's content type and body; raises `AwsFault`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Call:
    operation: str
    request: Mapping[str, Any]
    fault: str = ""
    """The code it was answered with, when it was an error."""


class Server:
    """One per test session; `reset` makes the account new."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.calls: list[Call] = []
        self.defects: list[str] = []
        """Mistakes of our own parts: the fixture fails the test for them."""
        self.parts: dict[str, list[object]] = {service: [] for service in TARGETS.values()}
        self.runtime: Runtime | None = None
        self._writing = threading.Lock()
        self.connected: Any = None
        """Clients of this server that tests share."""
        self.launchers: Zygote | None = None
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._http = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Silent)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="fake aws", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def count(self, operation: str) -> int:
        """How often the operation was called, also in vain."""
        return sum(call.operation == operation for call in self.calls)

    def requests(self, operation: str) -> list[Mapping[str, Any]]:
        """What it was asked for, when it went well."""
        return [call.request for call in self.calls if call.operation == operation and not call.fault]

    def reset(self) -> None:
        """Forget every service's state, the calls and the faults; parts forget by themselves."""
        self.faults.clear()
        Client(self._moto).post("/moto-api/reset", base_url="http://localhost/")
        self.calls.clear()
        self.defects.clear()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        operation, prefix = _named(request)
        fault = self.faults.check(operation, _attempt(request)) or _NOT_ALLOWED.get(operation)
        if fault is THROTTLED and operation.startswith("s3:"):
            fault = AwsFault(code="SlowDown", message="Please reduce your request rate.", status=503)
        if fault is not None:
            self.calls.append(Call(operation=operation, request={}, fault=fault.code))
            return _refusal(request, fault)(environ, start_response)
        invoked = _INVOCATION.fullmatch(request.path)
        if prefix in TARGETS:
            return self._own(TARGETS[prefix], operation, request)(environ, start_response)
        if invoked and self.runtime is not None:
            return self._invoke(invoked[1], request)(environ, start_response)
        self.calls.append(Call(operation=operation, request={}))
        # moto looks at a condition and then writes; S3 does both at once.
        with self._writing if operation == "s3:PUT" else nullcontext():
            return self._moto(environ, start_response)

    def _own(self, service: str, operation: str, http: Request) -> Response:
        shapes = model.operation(service, operation)
        asked = model.from_the_wire(shapes.input_shape, json.loads(http.get_data() or b"{}"))
        try:
            wrong = list(model.faults(shapes.input_shape, asked))
            if wrong:
                raise validation(f"{len(wrong)} validation error detected: {'; '.join(wrong)}")
            answer = self._part(service, operation)(asked) or {}
        except AwsFault as fault:
            self.calls.append(Call(operation=operation, request=asked, fault=fault.code))
            return _refusal(http, fault)
        self.calls.append(Call(operation=operation, request=asked))
        if shapes.output_shape is None:
            return _json({})
        if invented := list(model.faults(shapes.output_shape, answer)):
            self.defects.append(f"{operation} is not what AWS would answer: {'; '.join(invented)}")
            return _refusal(http, AwsFault(code="InternalFailure", message=self.defects[-1], status=500))
        return _json(model.on_the_wire(shapes.output_shape, answer))

    def _part(self, service: str, operation: str) -> Any:
        method = xform_name(operation)
        for part in self.parts[service]:
            if hasattr(part, method):
                return getattr(part, method)
        raise AwsFault(code="UnknownOperationException", message=f"The fake AWS has no {operation}.", status=404)

    def _invoke(self, endpoint: str, http: Request) -> Response:
        assert self.runtime is not None
        try:
            content_type, body = self.runtime.invoke_endpoint(endpoint, http.content_type or "", http.get_data())
        except AwsFault as fault:
            self.calls.append(Call(operation="InvokeEndpoint", request={"EndpointName": endpoint}, fault=fault.code))
            return _refusal(http, fault)
        self.calls.append(Call(operation="InvokeEndpoint", request={"EndpointName": endpoint}))
        return Response(body, content_type=content_type, headers={"x-Amzn-Invoked-Production-Variant": "all"})


def page(
    entries: Sequence[Mapping[str, Any]], asked: Mapping[str, Any], key: str, *, default: int = 10
) -> dict[str, Any]:
    """The page of `entries` that was asked for, under `key`, with the token of the next one."""
    first = int(str(asked.get("NextToken") or "page0").removeprefix("page"))
    last = first + int(asked.get("MaxResults") or default)
    answer: dict[str, Any] = {key: [dict(entry) for entry in entries[first:last]]}
    if last < len(entries):
        answer["NextToken"] = f"page{last}"
    return answer


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: a test's output is its own."""


def _named(request: Request) -> tuple[str, str]:
    """The operation's name, and the prefix of its target where the protocol has one."""
    prefix, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
    if operation:
        return operation, prefix
    if "/operation/" in request.path:  # CloudWatch's own protocol
        return request.path.rpartition("/")[2], ""
    if _INVOCATION.fullmatch(request.path):
        return "InvokeEndpoint", ""
    found = _SCOPE.search(request.headers.get("Authorization", ""))
    service = found[1] if found else "unknown"
    if request.method == "POST" and service not in ("s3", "unknown"):
        form = re.search(rb"(?:^|&)Action=([A-Za-z]+)", request.get_data(cache=True))
        # moto reads the stream again: what werkzeug took from it is put back.
        _rewind(request)
        if form:
            return form[1].decode(), ""
    return f"{service}:{request.method}", ""


def _attempt(request: Request) -> int:
    """Which attempt of a call this is, as botocore says."""
    found = re.search(r"attempt=(\d+)", request.headers.get("amz-sdk-request", ""))
    return int(found[1]) if found else 1


def _rewind(request: Request) -> None:
    import io

    request.environ["wsgi.input"] = io.BytesIO(request.get_data())


def _json(answer: Mapping[str, Any]) -> Response:
    return Response(json.dumps(answer), content_type="application/x-amz-json-1.1")


def _refusal(request: Request, fault: AwsFault) -> Response:
    """The error in the protocol that was spoken."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4()), "x-amzn-ErrorType": fault.code}
    if "X-Amz-Target" in request.headers or _INVOCATION.fullmatch(request.path):
        body = json.dumps({"__type": fault.code, "message": fault.message, "Message": fault.message})
        return Response(body, fault.status, headers, content_type="application/x-amz-json-1.1")
    if "/operation/" in request.path:
        headers["smithy-protocol"] = "rpc-v2-cbor"
        cbor = b"\xa2" + b"".join(map(_cbor, ("__type", fault.code, "message", fault.message)))
        return Response(cbor, fault.status, headers, content_type="application/cbor")
    inner = f"<Code>{fault.code}</Code><Message>{fault.message}</Message>"
    body = f"<Error>{inner}</Error>"
    if request.method == "POST" and b"Action=" in request.get_data(cache=True):
        body = f"<ErrorResponse><Error>{inner}</Error><RequestId>1</RequestId></ErrorResponse>"
    return Response(body, fault.status, headers, content_type="text/xml")


def _cbor(text: str) -> bytes:
    raw = text.encode()
    return b"\x79" + len(raw).to_bytes(2, "big") + raw
