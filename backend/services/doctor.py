"""The doctor: asks every dependency how it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from backend.domain.doctor import Check
from backend.errors import DigitsError
from backend.ports.probes import Probe


class Doctor:
    def __init__(self, probes: Sequence[Probe]) -> None:
        self._probes = probes

    def examine(self) -> Sequence[Check]:
        """One check per probe, in order. The slowest starts a Triton of its own and takes some seconds."""
        return [self._ask(probe) for probe in self._probes]

    @staticmethod
    def _ask(probe: Probe) -> Check:
        begun = time.monotonic()
        try:
            check = Check(name=probe.name, ok=True, detail=probe.look())
        except DigitsError as error:
            check = Check(name=probe.name, ok=False, detail=error.message, fix=error.hint)
        except (OSError, ValueError) as error:  # one broken check must not hide what the others say
            # Its type and no more: the text may quote what was sent, a key among it.
            check = Check(
                name=probe.name,
                ok=False,
                detail=f"The check broke off with {type(error).__name__}.",
                fix="Look at what `.env` and the environment say about it: a value there cannot be used.",
            )
        return replace(check, seconds=time.monotonic() - begun)
