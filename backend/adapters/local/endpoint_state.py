"""How a stage stands, judged from what was seen of it."""

from __future__ import annotations

from backend.adapters.local.endpoint_folder import RunnerState, RunnerStatus
from backend.adapters.local.endpoint_look import Look
from backend.domain.serving import EndpointStatus, ServedModel


def judge(
    wanted: ServedModel, seen: Look, status: RunnerStatus | None, *, changing: bool
) -> tuple[EndpointStatus, str]:
    """The status of an endpoint of which something is wanted, and why. `status` is None when no runner lives.

    One that drifted is in service: it answers, whatever it is.
    """
    if status is None:
        return EndpointStatus.FAILED, explain(status)
    if status.state in (RunnerState.FAILED, RunnerState.LEAVING):
        return EndpointStatus.FAILED, status.detail
    if changing:
        return EndpointStatus.UPDATING, status.detail or "A version is being loaded."
    if status.state is RunnerState.REPAIRING:
        return EndpointStatus.UPDATING, f"It is being repaired. {status.detail}"
    if not seen.loaded:
        return EndpointStatus.UPDATING, f"Triton is starting. {status.detail}".strip()
    if seen.unfinished and seen.served:
        return (
            EndpointStatus.UPDATING,
            f"Version {seen.served.version} answers, wanted is version {wanted.version}; it is being loaded.",
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
