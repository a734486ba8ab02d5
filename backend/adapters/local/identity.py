"""The user of this machine, with the role that the settings give."""

from __future__ import annotations

import getpass
import os

from backend.domain.identity import Actor, Role
from backend.ports.identity import Identity


class MachineUser:
    """`Identity` where nobody signs in: whoever runs the process. Its `role` is the setting DIGITS_ROLE."""

    def __init__(self, role: Role) -> None:
        self._role = role

    def actor(self) -> Actor:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container's user id without an entry in the password file
            name = f"uid-{os.getuid()}"
        return Actor(name=name, role=self._role)


def _conforms(adapter: MachineUser) -> Identity:
    return adapter
