"""Reads of the Compare page: what the images say is worked out once for what is known, and again when that changes."""

from __future__ import annotations

from collections.abc import Sequence

from app import queries
from app.context import backend
from app.reads import copied, shared
from backend.domain.comparison import Comparison
from backend.domain.predictions import DataKind, Evaluated, LabelledImages

Stamp = tuple[object, ...]


@copied(ttl=queries.LIVE_SECONDS)
def evaluated(archive_sha256: str) -> Sequence[Evaluated]:
    """Every data set that the archive was run on, newest first."""
    return backend().evaluations.evaluated(archive_sha256)


def comparison(base: int, others: Sequence[int], kind: DataKind, margin: float) -> Comparison:
    """Raises as `Comparing.compare`. Shared by all who look: never change what it holds."""
    versions = {version.version: version for version in queries.versions()}
    known = [versions[number] for number in (base, *others) if number in versions]
    return _comparison(base, tuple(others), kind, margin, tuple((v, *evaluated(v.sha256)) for v in known))


# A resource: copying twenty versions' predictions at every rerun would cost more than reading them.
@shared(ttl=600, max_entries=20, show_spinner="Comparing image by image")
def _comparison(base: int, others: tuple[int, ...], kind: DataKind, margin: float, stamp: Stamp) -> Comparison:
    """`stamp` is all that is known of the versions: with other evaluations it is another comparison."""
    return backend().comparing.compare(base, others, kind=kind, margin=margin)


@shared(ttl=3600, max_entries=4)
def images(data_sha256: str) -> LabelledImages:
    """The images that versions were run on. Raises `NotFoundError`."""
    return backend().evaluations.data(data_sha256)


def forget_evaluations() -> None:
    """After an evaluation: the next look is a new one."""
    queries.versions.clear()
    evaluated.clear()
