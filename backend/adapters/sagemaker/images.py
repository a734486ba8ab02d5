"""The container that serves: AWS's build of NVIDIA Triton, by region.

The accounts are those of the `sagemaker` SDK's own table (`sagemaker-tritonserver`, 26.05), which a test compares: the
SDK would cost the dashboard's process three seconds and 95 MB to be asked.
"""

from __future__ import annotations

from typing import Final

from backend.errors import InvalidInputError

TRITON_VERSION: Final = "26.05"
_MOST_REGIONS: Final = "763104351884"
_IN_MOST: Final = (
    *("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
)
_OTHERS: Final = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "mx-central-1": "637423239942",
}
_GPU_FAMILIES: Final = ("g", "p")


def triton_image(region: str, instance_type: str) -> str:
    """The image's URI for endpoints of this type in this region. Raises `InvalidInputError` where AWS keeps none."""
    account = _MOST_REGIONS if region in _IN_MOST else _OTHERS.get(region)
    if account is None:
        raise InvalidInputError(
            f"AWS keeps no Triton image that we know of in region '{region}'.",
            hint="Copy one to your own ECR repository and name it in DIGITS_TRITON_IMAGE.",
        )
    tag = f"{TRITON_VERSION}-py3" + ("" if has_gpu(instance_type) else "-cpu")
    return f"{account}.dkr.ecr.{region}.amazonaws.com/sagemaker-tritonserver:{tag}"


def has_gpu(instance_type: str) -> bool:
    """Whether `ml.<family><generation>...` is of a family with NVIDIA GPUs (g and p)."""
    return instance_type.removeprefix("ml.").startswith(_GPU_FAMILIES)
