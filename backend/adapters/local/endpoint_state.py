"""How a stage stands, judged from what was seen of it."""

from __future__ import annotations

from backend.adapters.local.endpoint_folder import RunnerState, RunnerStatus
from backend.domain.serving import EndpointStatus, ServedModel


def judge(
    wanted: ServedModel, served: ServedModel | None, status: RunnerStatus | None, *, changing: bool
) -> tuple[EndpointStatus, str]:
    """The status of an endpoint of which something is wanted, and why. `status` is None when no runner lives."""
    if status is None:
        return EndpointStatus.FAILED, explain(status)
    if status.state in (RunnerState.FAILED, RunnerState.LEAVING):
        return EndpointStatus.FAILED, status.detail
    if changing:
        return EndpointStatus.UPDATING, status.detail or "A version is being loaded."
    if status.state is RunnerState.REPAIRING:
        return EndpointStatus.UPDATING, f"It is being repaired. {status.detail}"
    if served is None:
        return EndpointStatus.UPDATING, f"Triton is starting. {status.detail}".strip()
    if served != wanted:
        return (
            EndpointStatus.UPDATING,
            f"Version {served.version} answers, wanted is version {wanted.version}; it is being loaded.",
        )
    return EndpointStatus.IN_SERVICE, ""


def explain(status: RunnerStatus | None) -> str:
    """Why the endpoint is down, in a sentence."""
    if status is None:
        return (
            "Its supervisor ended (killed, stopped, or the machine restarted); "
            "Restart on the Endpoints page, or the next start of the dashboard, serves it again."
        )
    return status.detail or "Triton is starting."
