"""What the product itself knows of jobs on SageMaker, as documents in the bucket; SageMaker knows the rest.

names/<name>.json      the whole launch, written once: who owns the name, and what a launcher needs
requests/<key>.json    the name that was made for a request's key, written once: a repeated click finds it
launching/<name>.json  only while the job is not SageMaker's yet: `launching`, or how that ended
launched/<name>.json   SageMaker's name of the job, written once

A launch is claimed by whoever writes attempts/<name>/<number>.json, so that two launchers of one job never both launch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.objects import Bucket, Document
from backend.domain.jobs import Compute, JobKind, TrainingRequest
from backend.domain.search_space import ParameterRange
from backend.domain.tuning import Direction, Strategy, TuningRequest
from backend.errors import InvalidInputError

PREFIX: Final = "digits-"
"""SageMaker's names of our jobs begin so: one account may be everybody's."""
LAUNCH_LEASE: Final = timedelta(minutes=3)
"""A launcher takes seconds; after this it is taken for dead."""
_STAMP: Final = len("-20261125073000")


class LaunchState(Enum):
    LAUNCHING = "launching"
    STOP_WANTED = "stop wanted"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Everything that a launcher needs, and what a job is remembered by.

    `base` is what SageMaker's name begins with (a tuning job's is that name); it carries the request's key.
    `channels` are S3 prefixes by channel; `site` is what the account's settings say about jobs, `data` the path here
    of the MNIST file that jobs are to use. A tuning job learns from those that SageMaker calls `parents`, and
    `finished` trials of the one that it resumes count as its own.
    """

    kind: JobKind
    request: TrainingRequest | TuningRequest
    created_at: datetime
    base: str
    channels: Mapping[str, str] = field(default_factory=dict)
    site: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    parents: tuple[str, ...] = ()
    finished: int = 0

    @property
    def name(self) -> str:
        return self.request.name


@dataclass(frozen=True, kw_only=True)
class Launching:
    """How far a job is that SageMaker does not know yet."""

    state: LaunchState
    since: datetime
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Launched:
    sagemaker_name: str
    at: datetime
    notices: tuple[str, ...] = ()


class JobRecords:
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._launches: dict[str, Launch] = {}
        self._launched: dict[str, Launched] = {}

    def claim(self, launch: Launch) -> Launch:
        """Take name and key for this launch; the one that was made for the key before, when there is one.

        Raises `InvalidInputError` when the name belongs to another request.
        """
        name, key = launch.name, launch.request.key
        if (earlier := self.by_key(key)) is not None:
            return earlier
        try:
            self._bucket.create(f"names/{name}.json", _document(launch))
        except LostRaceError:
            owner = self.find(name)
            if owner is None or owner.request.key != key:
                raise InvalidInputError(f"Job name '{name}' is taken.", hint="Choose another name.") from None
            launch = owner
        try:
            self._bucket.create(f"requests/{_digest(key)}.json", {"name": name})
        except LostRaceError:
            winner = self.by_key(key)
            if winner is not None and winner.name != name:  # the same click, under another name, a moment ago
                self._bucket.delete(f"names/{name}.json")
                return winner
        return launch

    def by_key(self, key: str) -> Launch | None:
        found = self._bucket.find(f"requests/{_digest(key)}.json")
        return None if found is None else self.find(str(found["name"]))

    def find(self, name: str) -> Launch | None:
        """The launch of that name; None when there was none. Written once, so looked up once."""
        if name not in self._launches:
            found = self._bucket.find(f"names/{name}.json")
            if found is None:
                return None
            self._launches[name] = _launch(found)
        return self._launches[name]

    def launched(self, name: str) -> Launched | None:
        """SageMaker's name of the job; None while it has none."""
        if name not in self._launched:
            found = self._bucket.find(f"launched/{name}.json")
            if found is None:
                return None
            told = {**found, "at": datetime.fromisoformat(found["at"]), "notices": tuple(found["notices"])}
            self._launched[name] = Launched(**told)
        return self._launched[name]

    def mark_launched(self, name: str, launched: Launched) -> None:
        with suppress(LostRaceError):  # whoever found it first says the same
            self._bucket.create(f"launched/{name}.json", {**asdict(launched), "at": launched.at.isoformat()})
        self._bucket.delete(f"launching/{name}.json")

    def launching(self, name: str) -> Launching | None:
        found = self._bucket.find(f"launching/{name}.json")
        if found is None:
            return None
        return Launching(
            state=LaunchState(found["state"]),
            since=datetime.fromisoformat(found["since"]),
            reason=found["reason"],
            hint=found["hint"],
        )

    def mark_launching(self, name: str, state: LaunchState, *, reason: str = "", hint: str = "") -> Launching:
        now = datetime.now(UTC)
        document = {"state": state.value, "since": now.isoformat(), "reason": reason, "hint": hint}
        self._bucket.put(f"launching/{name}.json", document)
        return Launching(state=state, since=now, reason=reason, hint=hint)

    def names_launching(self) -> Iterator[str]:
        """Jobs that SageMaker does not know: on their way, or ended before."""
        for key in self._bucket.keys("launching/"):
            yield key.removeprefix("launching/").removesuffix(".json")

    def claim_attempt(self, name: str) -> bool:
        """Whether this process may launch the job now; False while another one is at it."""
        number = 1
        while (earlier := self._bucket.find(f"attempts/{name}/{number}.json")) is not None:
            if datetime.now(UTC) - datetime.fromisoformat(earlier["at"]) < LAUNCH_LEASE:
                return False
            number += 1
        try:
            self._bucket.create(f"attempts/{name}/{number}.json", {"at": datetime.now(UTC).isoformat()})
        except LostRaceError:
            return False
        return True


def training_base(request: TrainingRequest) -> str:
    """What SageMaker's name begins with, short enough for the SDK's time stamp behind it, 63 characters in all."""
    return _base(request.name, request.key, 63 - _STAMP)


def tuning_name(request: TuningRequest) -> str:
    """SageMaker's name of a tuning job: at most 32 characters, because trials add their number to it."""
    return _base(request.name, request.key, 32)


def _base(name: str, key: str, longest: int) -> str:
    digest = _digest(key)[:8]
    room = longest - len(PREFIX) - len(digest) - 1
    readable = re.sub("-+", "-", name)[:room].strip("-")
    return f"{PREFIX}{readable}-{digest}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _document(launch: Launch) -> Document:
    request = asdict(launch.request)
    if isinstance(launch.request, TuningRequest):
        request |= {"strategy": launch.request.strategy.value, "direction": launch.request.direction.value}
    return {
        "kind": launch.kind.value,
        "request": request,
        "created_at": launch.created_at.isoformat(),
        "base": launch.base,
        "channels": dict(launch.channels),
        "site": dict(launch.site),
        "data": launch.data,
        "parents": list(launch.parents),
        "finished": launch.finished,
    }


def _launch(document: Document) -> Launch:
    kind = JobKind(document["kind"])
    given: dict[str, Any] = {**document["request"], "compute": Compute(**document["request"]["compute"])}
    if kind is JobKind.TUNING:
        given["space"] = tuple(ParameterRange(**{**one, "values": tuple(one["values"])}) for one in given["space"])
        given |= {"strategy": Strategy(given["strategy"]), "direction": Direction(given["direction"])}
    request = TrainingRequest(**given) if kind is JobKind.TRAINING else TuningRequest(**given)
    return Launch(
        kind=kind,
        request=request,
        created_at=datetime.fromisoformat(document["created_at"]),
        base=document["base"],
        channels=document["channels"],
        site=document["site"],
        data=document["data"],
        parents=tuple(document["parents"]),
        finished=document["finished"],
    )
