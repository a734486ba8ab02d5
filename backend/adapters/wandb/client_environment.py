"""The environment in which W&B's own programs run for us: what they must be told, and nothing else of W&B's.

A variable of the person who started the dashboard (`WANDB_MODE=offline`, `WANDB_SERVICE`, an id, a project) would
change what they do; so only these are set. The key travels here and nowhere else: not in arguments, which everybody on
this machine can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TRIES_AGAIN: Final = "1"
"""The client's own are 20 tries over many minutes, which look like a server that hangs. It takes 0 for its own."""


def client_environment(
    environ: Mapping[str, str], *, key: str, base_url: str, entity: str, scratch: str
) -> dict[str, str]:
    """`environ` with W&B's variables replaced. `scratch` is a folder that the program may fill."""
    kept = {name: value for name, value in environ.items() if not name.startswith("WANDB_")}
    return {
        **kept,
        "WANDB_API_KEY": key,
        "WANDB_BASE_URL": base_url,
        **({"WANDB_ENTITY": entity} if entity else {}),
        "WANDB_DIR": scratch,
        "WANDB_CACHE_DIR": scratch,
        "WANDB_CONFIG_DIR": scratch,
        "WANDB_DATA_DIR": scratch,
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_X_GRAPHQL_RETRY_MAX": _TRIES_AGAIN,
        "WANDB_X_GRAPHQL_RETRY_WAIT_MIN_SECONDS": "0.5",
        "WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS": "2",
        "WANDB_X_GRAPHQL_TIMEOUT_SECONDS": "8",
    }
