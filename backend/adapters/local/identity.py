"""The user of this machine, with the role that the settings give."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping

from backend.domain.identity import Actor, Role
from backend.ports.identity import Identity


class MachineUser:
    """`Identity` where nobody signs in: whoever runs the process, or started it where GitHub Actions does. Its `role`
    is the setting DIGITS_ROLE.
    """

    def __init__(self, role: Role, environment: Mapping[str, str]) -> None:
        self._role = role
        by_github = environment.get("GITHUB_ACTIONS") == "true"
        self._started_by = environment.get("GITHUB_TRIGGERING_ACTOR", "") if by_github else ""

    def actor(self) -> Actor:
        if self._started_by:
            return Actor(name=f"{self._started_by} (GitHub Actions)", role=self._role)
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container's user id without an entry in the password file
            name = f"uid-{os.getuid()}"
        return Actor(name=name, role=self._role)


def _conforms(adapter: MachineUser) -> Identity:
    return adapter
