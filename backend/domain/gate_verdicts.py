"""From evidence to what a gate says: one function per gate, each with its reason in words. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Sequence

from backend.domain.gates import Gate, GateName, GateResult, GateStatus, StagingLook
from backend.domain.promotion import Deployment
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import ServedModel, Stage
from backend.domain.statistics import Pair, difference_interval, equivalence, mcnemar_p


def digest(version: ModelVersion, observed: str) -> GateResult:
    """`observed` is the SHA-256 of the archive's bytes as they are now."""
    same = observed == version.sha256
    return GateResult(
        name=GateName.DIGEST.value,
        status=GateStatus.PASSED if same else GateStatus.FAILED,
        observed=observed[:12],
        threshold=version.sha256[:12],
        unit="SHA-256",
        reason="The archive's bytes are those that were registered."
        if same
        else "The archive changed after it was registered: these bytes are not what was evaluated.",
        hint="" if same else "Train again and register the new job: a version's bytes never change.",
        overridable=False,
    )


def unreadable(version: ModelVersion, why: str) -> GateResult:
    """The archive could not be read, so nobody knows its digest."""
    return GateResult(
        name=GateName.DIGEST.value,
        status=GateStatus.MISSING_EVIDENCE,
        threshold=version.sha256[:12],
        unit="SHA-256",
        reason=f"The archive cannot be read. {why}",
        hint="Train again and register the new job.",
        overridable=False,
    )


def approved(version: ModelVersion) -> GateResult:
    given = version.approval is Approval.APPROVED
    by = f" by {version.approval_by}" if version.approval_by else ""
    why = f": {version.approval_comment}" if version.approval_comment else ""
    return GateResult(
        name=GateName.APPROVED.value,
        status=GateStatus.PASSED if given else GateStatus.FAILED,
        observed=version.approval.in_words,
        threshold=Approval.APPROVED.in_words,
        reason=f"It was {version.approval.in_words}{by}{why}"[:300]
        if version.approval is not Approval.PENDING
        else f"It is {version.approval.in_words}: nobody has decided about it yet.",
        hint="" if given else f"python -m backend models approve {version.version}",
    )


def recall_floor(gate: Gate, version: ModelVersion, recall: Sequence[float] | None) -> GateResult:
    """`recall` of each digit on the test set, in order; None when it was never tried on one."""
    floor = gate.limits["at_least"]
    if recall is None:
        return missing(gate, "It was not tried on a test set.", hint=evaluating(version.version))
    worst = min(recall)
    digit = recall.index(worst)
    enough = worst >= floor
    return GateResult(
        name=gate.name.value,
        status=GateStatus.PASSED if enough else GateStatus.FAILED,
        observed=round(worst, 4),
        threshold=floor,
        reason=f"Of the {digit}s, its worst digit, it reads {worst:.1%} right; at least {floor:.1%} is needed.",
        hint="" if enough else f"Look on the Compare page at what it takes a {digit} for.",
    )


def same_data(gate: Gate, version: ModelVersion, mine: str, incumbent: ModelVersion, theirs: str) -> GateResult:
    """`mine` and `theirs` are the SHA-256 of the newest test sets that the two were tried on; empty for none."""
    for digest, who in ((mine, version), (theirs, incumbent)):
        if not digest:
            reason = f"Version {who.version} was not tried on a test set."
            return missing(gate, reason, hint=evaluating(who.version))
    same = mine == theirs
    return GateResult(
        name=gate.name.value,
        status=GateStatus.PASSED if same else GateStatus.FAILED,
        observed=mine[:12],
        threshold=theirs[:12],
        unit="SHA-256",
        reason=f"Both were tried on the test set {mine[:12]}."
        if same
        else f"It was tried on the test set {mine[:12]}, version {incumbent.version}, which serves, on {theirs[:12]}.",
        hint="" if same else f"{evaluating(version.version)} --data {theirs}",
    )


def not_worse(gate: Gate, pair: Pair, incumbent: ModelVersion, images: str) -> GateResult:
    """`pair` holds the version against the incumbent on the same images, which are called `images`."""
    alpha, margin = gate.limits["alpha"], gate.limits["margin"]
    p_value = mcnemar_p(pair)
    worse = p_value < alpha and pair.difference < 0
    close = worse and equivalence(pair, margin=margin).not_worse(alpha)
    low, high = difference_interval(pair, level=1 - alpha)
    numbers = (
        f"{pair.fixed:,} fixed and {pair.broken:,} broken of {pair.n:,} {images} against v{incumbent.version}, "
        f"p = {p_value:.2g}, {_points(pair.difference)} points ({_points(low)} to {_points(high)})"
    )
    if close:
        verdict = f"It is worse, but by less than {100 * margin:.2g} points"
    elif worse:
        verdict = f"It is significantly worse (p below {alpha:g}), and perhaps by more than {100 * margin:.2g} points"
    elif p_value < alpha:
        verdict = "It is significantly better"
    else:
        verdict = "No significant difference"
    return GateResult(
        name=gate.name.value,
        status=GateStatus.FAILED if worse and not close else GateStatus.PASSED,
        observed=round(pair.difference, 6),
        threshold=threshold(gate),
        reason=f"{verdict}: {numbers}.",
        hint="Look on the Compare page at the images that it breaks." if worse and not close else "",
    )


def hard_examples(
    gate: Gate, right: int, right_before: int, n: int, incumbent: ModelVersion, called: str
) -> GateResult:
    """How many of the `n` corrected drawings, the set `called` so, the version and the incumbent read right."""
    tolerance = gate.limits["tolerance"]
    lost = (right_before - right) / n
    kept = lost <= tolerance
    return GateResult(
        name=gate.name.value,
        status=GateStatus.PASSED if kept else GateStatus.FAILED,
        observed=round(-lost, 4),
        threshold=threshold(gate),
        reason=f"It reads {right} of {n} corrected drawings ({called}) right, v{incumbent.version} {right_before}; "
        f"at most {100 * tolerance:.3g} points may be lost.",
        hint="" if kept else "Train with hard_examples, or look on the Compare page at the drawings that it breaks.",
    )


def staging_first(version: ModelVersion, staging: Sequence[Deployment]) -> GateResult:
    """`staging` is that stage's history, newest first."""
    mine = [d for d in staging if (d.version, d.sha256) == (version.version, version.sha256)]
    well = next((d for d in mine if d.outcome.is_good), None)
    if well is not None:
        reason = f"Deployment {well.id} by {well.requested_by} served it on staging."
        return GateResult(name=GateName.STAGING_FIRST.value, status=GateStatus.PASSED, observed=well.id, reason=reason)
    tried = f" Its last try, {mine[0].id}, is {mine[0].outcome.value}." if mine else ""
    return GateResult(
        name=GateName.STAGING_FIRST.value,
        status=GateStatus.FAILED,
        reason=f"It has never served well on staging.{tried}",
        hint=f"python -m backend promote {version.version} --to {Stage.STAGING.value}",
    )


def latency(gate: Gate, target: ServedModel, serving: ServedModel | None, look: StagingLook | None) -> GateResult:
    """`serving` is what staging serves, `look` what `target` said there, or on an endpoint beside it that may be gone
    by now; None when it was not asked.
    """
    budget = gate.limits["p99_ms"]
    if look is None or look.p99_ms is None:
        return _not_on_staging(gate, target, serving)
    fast = look.p99_ms <= budget
    usual = "" if look.p50_ms is None else f", half of them {look.p50_ms:.1f} ms"
    return GateResult(
        name=gate.name.value,
        status=GateStatus.PASSED if fast else GateStatus.FAILED,
        observed=round(look.p99_ms, 3),
        threshold=budget,
        unit="ms",
        reason=f"99 of 100 requests to {_asked(look)} took at most {look.p99_ms:.1f} ms{usual}; "
        f"the budget is {budget:g} ms.",
        hint="" if fast else "Look at the machine's load on the Endpoints page, or train a smaller model.",
    )


def probe(gate: Gate, target: ServedModel, serving: ServedModel | None, look: StagingLook | None) -> GateResult:
    """As `latency`."""
    needed = gate.limits["at_least"]
    if look is None:
        return _not_on_staging(gate, target, serving)
    share = look.right / look.digits
    enough = share >= needed
    failed = f" {look.failed} got no answer of this version." if look.failed else ""
    unasked = f" Only {look.asked} were asked: it was too slow or failed too often." if look.asked < look.digits else ""
    return GateResult(
        name=gate.name.value,
        status=GateStatus.PASSED if enough else GateStatus.FAILED,
        observed=round(share, 4),
        threshold=needed,
        reason=f"{_asked(look, 'Staging')} read {look.right} of {look.digits} known digits right; "
        f"at least {needed:.1%} is needed."
        f"{failed}{unasked}",
        hint="" if enough else "Draw some digits on the Draw page: the pictures or the scale of grey may be others.",
    )


def evaluating(version: int) -> str:
    """The command that makes the evidence."""
    return f"python -m backend evaluate {version}"


def missing(gate: Gate, reason: str, *, hint: str = "") -> GateResult:
    """Nobody has looked: no pass."""
    return GateResult(
        name=gate.name.value,
        status=GateStatus.MISSING_EVIDENCE,
        reason=reason,
        threshold=threshold(gate),
        unit=_unit(gate),
        hint=hint,
    )


def not_applicable(gate: Gate, reason: str) -> GateResult:
    """There is nothing to compare with."""
    return GateResult(
        name=gate.name.value,
        status=GateStatus.NOT_APPLICABLE,
        reason=reason,
        threshold=threshold(gate),
        unit=_unit(gate),
    )


def threshold(gate: Gate) -> float | None:
    """What `observed` is held against: a loss that is still allowed is a negative difference. None without limits."""
    limits = gate.limits
    for name, sign in (("at_least", 1), ("p99_ms", 1), ("margin", -1), ("tolerance", -1)):
        if name in limits:
            return sign * limits[name]
    return None


def _unit(gate: Gate) -> str:
    return "ms" if gate.name is GateName.LATENCY else ""


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


def _asked(look: StagingLook, word: str = "staging") -> str:
    return f"{look.endpoint} ({look.at:%Y-%m-%d %H:%M} UTC)" if look.endpoint else word


def _not_on_staging(gate: Gate, target: ServedModel, serving: ServedModel | None) -> GateResult:
    if serving == target:
        return missing(gate, "Staging did not answer.", hint="Look at its endpoint on the Endpoints page.")
    seen = f"serves version {serving.version}" if serving else "serves nothing"
    return missing(
        gate,
        f"Staging {seen} now: version {target.version} cannot be asked there.",
        hint=f"python -m backend promote {target.version} --to {Stage.STAGING.value}",
    )
