"""Handing a launch in, once: what training and tuning jobs have in common before SageMaker knows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from backend.adapters.sagemaker.job_records import LAUNCH_LEASE, JobRecords, Launch, LaunchState

Start = Callable[[str], None]
"""Starts the process that launches the job of that name: `spawn.start_launcher`, or a quicker one in tests."""


class Submitting:
    def __init__(self, records: JobRecords, start: Start) -> None:
        self._records = records
        self._start = start

    def repeated(self, key: str) -> Launch | None:
        """The launch that was made for the key before, on its way again if its launcher died; None for a new key."""
        earlier = self._records.by_key(key)
        if earlier is not None:
            self._set_off(earlier)
        return earlier

    def hand_in(self, launch: Launch, prepare: Callable[[], object]) -> Launch:
        """Claim name and key, `prepare` what the job needs, start its launcher; the launch, or an earlier one's.

        Raises `InvalidInputError` when the name is another job's.
        """
        claimed = self._records.claim(launch)
        if claimed == launch:
            prepare()
        self._set_off(claimed)
        return claimed

    def _set_off(self, launch: Launch) -> None:
        if self._records.launched(launch.name) is not None:
            return
        launching = self._records.launching(launch.name)
        dead = (
            launching is not None
            and launching.state is LaunchState.LAUNCHING
            and datetime.now(UTC) - launching.since > LAUNCH_LEASE
        )
        if launching is None or dead:
            self._records.mark_launching(launch.name, LaunchState.LAUNCHING)
            self._start(launch.name)
