"""Whether the account has room for what a deployment needs, asked before SageMaker is."""

from __future__ import annotations

from typing import Final

from backend.adapters.sagemaker.errors import is_denied, translating
from backend.adapters.sagemaker.hosted import IN_SERVICE, Look
from backend.adapters.sagemaker.serving_requests import Hosting
from backend.adapters.sagemaker.session import PAGE, Aws
from backend.errors import PlatformError, QuotaError, SetupError

_SERVICE: Final = "sagemaker"


def quota_name(instance_type: str) -> str:
    """As Service Quotas and SageMaker's own refusals call it."""
    return f"{instance_type} for endpoint usage"


def read_quota(aws: Aws, name: str) -> int | None:
    """The account's value of a SageMaker quota, in instances; None when Service Quotas has none of that name.

    Quotas have codes, which no document lists; so the pages are looked through until the name is found.
    """
    with translating(f"look up the quota '{name}'"):
        pages = aws.client("service-quotas").get_paginator("list_service_quotas")
        for page in pages.paginate(ServiceCode=_SERVICE, PaginationConfig={"PageSize": PAGE}):
            for quota in page["Quotas"]:
                if quota["QuotaName"] == name:
                    return int(quota["Value"])
    return None


def instances_needed(hosting: Hosting, look: Look | None) -> int:
    """At the peak of the deployment: a blue/green update runs the old fleet and the new one side by side."""
    if look is None or look.status != IN_SERVICE:
        return hosting.instances
    return 2 * max(look.desired, 1)


def require_room(aws: Aws, hosting: Hosting, look: Look | None) -> str:
    """Raise `QuotaError` when the quota alone forbids the deployment; returns what was seen.

    What other endpoints use of the quota is not counted: SageMaker itself refuses then, at once, and names the quota.
    A caller who may not read quotas deploys without this look.
    """
    name = quota_name(hosting.instance_type)
    needed = instances_needed(hosting, look)
    try:
        quota = read_quota(aws, name)
    except SetupError as error:
        if not is_denied(error):
            raise
        return "quota not looked up: we may not"
    except PlatformError as error:
        return f"quota not looked up ({type(error).__name__})"
    if quota is None:
        return f"no quota '{name}' known"
    if needed > quota:
        why = " (old and new fleet at once)" if needed > hosting.instances else ""
        raise QuotaError(
            f"The account's quota '{name}' is {quota}; this deployment needs {needed} instances{why}.",
            hint=f"Ask for more under Service Quotas, Amazon SageMaker, '{name}', or choose another instance type.",
        )
    return f"{needed} of {quota} {hosting.instance_type}"
