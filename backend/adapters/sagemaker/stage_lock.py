"""One deployment per stage at a time, across machines: a lease in an S3 object.

`deployments/<stage>/lock.json` says who holds the stage; S3 itself decides who may write it next (conditional writes).
The holder renews its lease every few seconds. One that died cannot, and after `lease_s` without a renewal the next one
takes the stage over. The age is told by S3's own clock, never by ours, and only whoever replaces the very object that
was judged old wins. A holder that was slow rather than dead (a suspended laptop) learns by its next renewal that the
stage is not its own any more, and `require_held` stops it before it changes anything.

A kernel lock is given back the moment its process dies; a lease is not. That is the price of several machines, and
`StageBusyError` says for how long at most.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.names import NO_SUFFIXES, Suffixes
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document, to_document
from backend.adapters.sagemaker.served import deployments_folder
from backend.domain.serving import Stage
from backend.errors import DigitsError, NotFoundError, StageBusyError

LEASE_S: Final = 60.0
_RENEWALS: Final = 4
"""Per lease: three may fail before it runs out."""
_RACES: Final = 4

log = logging.getLogger("endpoint")


@dataclass(frozen=True, kw_only=True)
class Lease:
    """What the lock object says. `holder` is empty once the stage was given back; `token` is of this one holding."""

    holder: str
    token: str
    lease_s: float
    renewal: int = 0


class StageLock:
    """The locks of the stages; one per process, shared by its threads."""

    def __init__(self, bucket: Bucket, lease_s: float = LEASE_S, *, suffixes: Suffixes = NO_SUFFIXES) -> None:
        self._bucket = bucket
        self._lease_s = lease_s
        self._suffixes = suffixes
        self._held: dict[Stage, _Held] = {}

    @contextmanager
    def hold(self, stage: Stage, holder: str) -> Iterator[None]:
        """Hold the stage within the block. Raises `StageBusyError` naming who does, at once."""
        held = self._take(stage, holder)
        self._held[stage] = held
        renewing = threading.Thread(target=self._renew, args=(held,), daemon=True, name=f"lease-{stage.value}")
        renewing.start()
        try:
            yield
        finally:
            held.ended.set()
            renewing.join()
            del self._held[stage]
            self._give_back(held)

    def require_held(self, stage: Stage) -> None:
        """Raise `StageBusyError` when this process was to hold the stage and another may hold it by now.

        Nothing for a stage that this process never held: who deploys without holding does so at their own risk.
        """
        held = self._held.get(stage)
        if held is None:
            return
        quiet = time.monotonic() - held.renewed
        if held.lost or quiet > self._lease_s:
            raise StageBusyError(
                f"'{stage.value}' is not ours to change any more: its lease was last renewed {quiet:.0f} s ago and "
                f"lasts {self._lease_s:.0f} s. Nothing was changed after that.",
                hint="Look at what is served now and deploy again.",
            )

    def _take(self, stage: Stage, holder: str) -> _Held:
        key = self._key(stage)
        lease = Lease(holder=holder, token=secrets.token_hex(8), lease_s=self._lease_s)
        for _ in range(_RACES):
            stored = self._bucket.look(key)
            known = None if stored is None else from_document(Lease, stored.document, where=self._bucket.uri(key))
            if stored is not None and known is not None:
                if known.token == lease.token:  # written before, but the answer was lost on its way
                    return _Held(key=key, lease=lease, etag=stored.etag)
                _require_free(stage, known, stored.age_s)
            try:
                if stored is None:
                    etag = self._bucket.create(key, to_document(lease))
                else:
                    etag = self._bucket.replace(key, to_document(lease), etag=stored.etag)
                return _Held(key=key, lease=lease, etag=etag)
            except (LostRaceError, NotFoundError):
                continue
        raise StageBusyError(
            f"'{stage.value}' is being changed by others all the time.", hint="Try again in a few seconds."
        )

    def _key(self, stage: Stage) -> str:
        return f"{deployments_folder(stage, self._suffixes.get(stage, ''))}lock.json"

    def _renew(self, held: _Held) -> None:
        while not held.ended.wait(self._lease_s / _RENEWALS):
            # Never the same bytes twice: the ETag is their digest, and must tell a renewed lease from the one before.
            lease = replace(held.lease, renewal=held.lease.renewal + 1)
            try:
                held.etag = self._bucket.replace(held.key, to_document(lease), etag=held.etag)
                held.lease, held.renewed = lease, time.monotonic()
            except (LostRaceError, NotFoundError):
                if not self._adopted(held):
                    held.lost = True
                    log.warning("%s was taken over by another holder", held.key)
                    return
            except DigitsError as error:  # throttled, or the credentials ran out: the lease may yet be renewed in time
                log.warning("%s could not be renewed: %s", held.key, error.message)

    def _adopted(self, held: _Held) -> bool:
        """Whether the object is ours after all: a renewal can arrive although its answer was lost on its way."""
        try:
            stored = self._bucket.look(held.key)
        except DigitsError:
            return True  # not known: the next renewal will tell
        if stored is None:
            return False
        lease = from_document(Lease, stored.document, where=self._bucket.uri(held.key))
        if lease.token != held.lease.token or not lease.holder:
            return False
        held.lease, held.etag = lease, stored.etag
        return True

    def _give_back(self, held: _Held) -> None:
        """Overwritten, not deleted: only the object that we wrote last may be given back by us."""
        if held.lost:
            return
        try:
            self._bucket.replace(
                held.key, to_document(Lease(holder="", token=held.lease.token, lease_s=0.0)), etag=held.etag
            )
        except DigitsError as error:  # what was done is done; the lease runs out by itself
            log.warning("%s could not be given back: %s", held.key, error.message)


def _require_free(stage: Stage, lease: Lease, age_s: float) -> None:
    if not lease.holder:
        return
    left = lease.lease_s - age_s
    if left < 0:
        log.warning("%s: the lease of %s ran out %.0f s ago; taking it over", stage.value, lease.holder, -left)
        return
    raise StageBusyError(
        f"'{stage.value}' is being changed by {lease.holder}.",
        hint=f"Wait for that deployment to end. If its process died, the stage is free in {left:.0f} s.",
    )


class _Held:
    def __init__(self, *, key: str, lease: Lease, etag: str) -> None:
        self.key = key
        self.lease = lease
        self.etag = etag
        self.renewed = time.monotonic()
        self.lost = False
        self.ended = threading.Event()
