"""The runs of every source as one collection: a run that lies on this machine and on a server is one run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from backend.domain.tracking import (
    EVERY_RUN,
    Console,
    History,
    MediaItem,
    Run,
    RunFilter,
    RunPage,
    RunSource,
    SourceStatus,
)
from backend.errors import DigitsError, NotFoundError
from backend.ports.tracking import MOST_LINES, MOST_MEDIA, MOST_RUNS, RunReader

Answer = TypeVar("Answer")
_ALL: Final = 1_000_000


class Runs:
    """What pages and commands read runs through. `readers` in the order of trust: of a run that several know, the
    first one's data is told, since its files are complete and at hand; the others add what only they know.

    Methods keep the contract of `RunReader`, over all sources together.
    """

    def __init__(self, readers: Sequence[RunReader]) -> None:
        self._readers = tuple(readers)
        self._joined: dict[str, tuple[Run, Run, Run]] = {}

    def sources(self) -> Sequence[SourceStatus]:
        return [reader.status() for reader in self._readers]

    def token(self) -> str:
        return " ".join(reader.token() for reader in self._readers)

    def list_runs(self, where: RunFilter = EVERY_RUN, *, offset: int = 0, limit: int = MOST_RUNS) -> RunPage:
        if len(self._readers) == 1:
            return self._readers[0].list_runs(where, offset=offset, limit=limit)
        known: dict[str, Run] = {}
        for reader in self._readers:
            # Unfiltered: what admits a run may be known to one source only, such as a tag added on the server.
            for run in reader.list_runs(limit=_ALL).runs:
                known[run.key] = self._join(known[run.key], run) if run.key in known else run
        admitted = sorted(filter(where.admits, known.values()), key=lambda run: (run.created_at, run.key), reverse=True)
        return RunPage(runs=admitted[offset : offset + limit], total=len(admitted))

    def get_run(self, key: str) -> Run:
        found: list[Run] = []
        errors: list[DigitsError] = []
        for reader in self._readers:
            try:
                found.append(reader.get_run(key))
            except DigitsError as error:
                errors.append(error)
        if found:
            first, *others = found
            for other in others:
                if other.key != first.key:  # a bare id, which another project's run has too
                    raise NotFoundError(
                        f"Several runs have the id '{key}'.", hint=f"Name one whole: {first.key} or {other.key}."
                    )
                first = self._join(first, other)
            return first
        raise _news(key, errors)

    def histories(self, keys: Collection[str], metrics: Collection[str] | None = None) -> Mapping[str, History]:
        """Each run's history from the first source that has rows of it. A source that fails spoils no other's."""
        found: dict[str, History] = {}
        failure: DigitsError | None = None
        wanted = list(keys)
        for reader in self._readers:
            if not wanted:
                break
            try:
                found.update(reader.histories(wanted, metrics))
            except DigitsError as error:
                failure = error
            wanted = [key for key in wanted if not len(found.get(key, ()))]
        if failure is not None and not found:
            raise failure
        return found

    def system_metrics(self, key: str) -> History:
        return self._first(key, lambda reader: reader.system_metrics(key), len)

    def console(self, key: str, *, lines: int = MOST_LINES) -> Console:
        return self._first(key, lambda reader: reader.console(key, lines=lines), lambda console: len(console.lines))

    def media(self, key: str, *, limit: int = MOST_MEDIA) -> Sequence[MediaItem]:
        return self._first(key, lambda reader: reader.media(key, limit=limit), len)

    def read_media(self, key: str, path: str) -> bytes:
        return self._first(key, lambda reader: reader.read_media(key, path), lambda _: True)

    def refresh(self) -> None:
        for reader in self._readers:
            reader.refresh()

    def _join(self, run: Run, other: Run) -> Run:
        """`joined`, the same object as long as neither changed."""
        before = self._joined.get(run.key)
        if before is None or before[0] is not run or before[1] is not other:
            before = self._joined[run.key] = (run, other, joined(run, other))
        return before[2]

    def _first(self, key: str, read: Callable[[RunReader], Answer], size: Callable[[Answer], int]) -> Answer:
        """The first answer that holds anything, else the first answer, else the first failure that says most."""
        empty: list[Answer] = []
        errors: list[DigitsError] = []
        for reader in self._readers:
            try:
                answer = read(reader)
            except DigitsError as error:
                errors.append(error)
                continue
            if size(answer):
                return answer
            empty.append(answer)
        if empty:
            return empty[0]
        raise _news(key, errors)


def _news(key: str, errors: Sequence[DigitsError]) -> DigitsError:
    """A server that cannot be reached may well have the run: that, and not "there is none", is then to be said."""
    unknown = NotFoundError(f"Run '{key}' is not known.", hint="`python -m backend runs list` shows what there is.")
    return next((error for error in errors if not isinstance(error, NotFoundError)), errors[0] if errors else unknown)


def joined(run: Run, other: Run) -> Run:
    """`run`, with what the source of `other` alone knows of it."""
    return replace(
        run,
        sources=(*run.sources, *other.sources),
        revision=f"{run.revision} {other.revision}",
        entity=run.entity or other.entity,
        tags=tuple(dict.fromkeys((*run.tags, *other.tags))),
        group=run.group or other.group,
        job_type=run.job_type or other.job_type,
        notes=other.notes or run.notes,  # people edit notes on the server
        synced=run.synced or (RunSource.CLOUD in other.sources and other.last_step >= run.last_step),
        url=run.url or other.url,
        folders=run.folders or other.folders,
    )
