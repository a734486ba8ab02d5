"""Whether the account has room for a job, asked before it is submitted."""

from __future__ import annotations


def training_quota(instance_type: str, *, spot: bool) -> str:
    """As Service Quotas and SageMaker's own refusals call it: spot capacity is counted apart."""
    return f"{instance_type} for {'spot training job' if spot else 'training job'} usage"


def shortage(name: str, quota: int | None, instances: int) -> str:
    """Why the quota called `name` forbids so many instances at once; empty when it allows them, or nobody knows it.

    What other jobs use of it is not counted: SageMaker itself refuses then, at once, and names the quota.
    """
    if quota is None or instances <= quota:
        return ""
    needed = "1 instance" if instances == 1 else f"{instances} instances at once"
    return (
        f"The account's quota '{name}' is {quota}; this needs {needed}. Ask for more under Service Quotas, Amazon "
        "SageMaker, or choose another instance type."
    )
