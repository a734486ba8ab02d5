"""What may be done with a job: stop, resume, clone, register; every effect asks first or can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app import navigation, queries
from app.components.confirm import confirm
from app.context import backend
from app.errors import shown
from app.identity import actor, click_key, refusal
from app.queries import Job
from backend.domain.capabilities import Feature
from backend.domain.identity import Role
from backend.domain.jobs import JobStatus, TrainingJob
from backend.domain.registry import ModelVersion
from backend.domain.tuning import StopMode, TuningJob
from backend.errors import DigitsError

_STOP = ":material/stop_circle:"
_TRIALS_KEPT = "Finished trials are kept: the best one can be registered, and Resume goes on with the rest."


def training_actions(job: TrainingJob) -> None:
    reason = refusal(Role.OPERATOR, "change jobs")
    if job.status.can_stop and _button("Stop", "job_stop", _STOP, reason):
        ask_to_stop([job])
    _resume(job, reason, "A new job goes on from this one's last checkpoint.")
    _clone(job.name)
    _register(job.name, job.status is JobStatus.COMPLETED, "Only a completed job has a model to register.", reason)


def tuning_actions(job: TuningJob) -> None:
    reason = refusal(Role.OPERATOR, "change jobs")
    waits = job.status is JobStatus.STOPPING and job.stop_mode is StopMode.AFTER_RUNNING
    if (job.status.can_stop or waits) and _button("Stop", "job_stop", _STOP, reason):
        ask_to_stop([job])
    _resume(job, reason, "A new job keeps the finished trials and runs the others.")
    _clone(job.name)
    best = job.best_trial
    _register(best.job if best else "", best is not None, "No trial has completed yet.", reason)


def versions_of(job: str) -> Sequence[ModelVersion]:
    """The model versions that were made of this training job."""
    return [version for version in queries.versions() if version.source_job == job]


def ask_to_stop(jobs: Sequence[Job]) -> None:
    """The dialog before it; for tuning jobs with both ways. Call it where the whole page runs."""
    if len(jobs) > 1:
        _ask_about_several(jobs)
    elif isinstance(jobs[0], TuningJob):
        _ask_about_search(jobs[0])
    else:
        confirm(
            question=f"Stop {jobs[0].name}?",
            verb="Stop the job",
            consequences=[
                "The trainer is asked to end, and ended after ten seconds.",
                "Nothing can be registered from it; Resume goes on from its last checkpoint.",
            ],
            apply=_stopping(jobs, StopMode.NOW),
            icon=_STOP,
        )


def _ask_about_search(job: TuningJob) -> None:
    live = sum(not trial.status.is_terminal for trial in job.trials)
    them = "the one that was launched is" if live == 1 else f"the {live} that were launched are"
    why_not = backend().tuning.unsupported.get(Feature.FINISH_RUNNING_TRIALS, "")
    waits = job.status is JobStatus.STOPPING
    after = f"After the running trials: no further one; {them} let end, and counted." if live else ""
    now = f"Now: {them} ended within ten seconds, and not counted." if live else "No trial is running."
    confirm(
        question=f"Stop {job.name}?",
        verb="Stop now",
        consequences=[
            *([after] if after and not waits and not why_not else []),
            now,
            *([why_not] if why_not else []),
            _TRIALS_KEPT,
        ],
        apply=_stopping([job], StopMode.NOW),
        other_verb="" if waits or not live or why_not else "Stop after the running trials",
        other_apply=_stopping([job], StopMode.AFTER_RUNNING),
        icon=_STOP,
    )


def _ask_about_several(jobs: Sequence[Job]) -> None:
    searches = [job for job in jobs if isinstance(job, TuningJob)]
    shown_names = ", ".join(job.name for job in jobs[:8]) + (f" and {len(jobs) - 8} more" if len(jobs) > 8 else "")
    confirm(
        question=f"Stop {len(jobs)} jobs?",
        verb=f"Stop {len(jobs)} jobs" + (" now" if searches else ""),
        consequences=[
            shown_names,
            "Each trainer is asked to end, and ended after ten seconds.",
            *([_TRIALS_KEPT] if searches else []),
        ],
        apply=_stopping(jobs, StopMode.NOW),
        other_verb="Let running trials end first" if searches and not _stops_all() else "",
        other_apply=_stopping(jobs, StopMode.AFTER_RUNNING),
        icon=_STOP,
    )


def _stops_all() -> bool:
    """Whether a search cannot be stopped without its running trials."""
    return Feature.FINISH_RUNNING_TRIALS in backend().tuning.unsupported


def _stopping(jobs: Sequence[Job], mode: StopMode) -> Callable[[], None]:
    """Stops each, whatever becomes of the others; what did not work is told at the end."""

    def apply() -> None:
        troubles: list[DigitsError] = []
        for job in jobs:
            try:
                if isinstance(job, TuningJob):
                    backend().searching.stop(job.name, mode, actor=actor())
                else:
                    backend().launching.stop(job.name, actor=actor())
            except DigitsError as error:
                troubles.append(error)
        queries.forget_jobs()
        if troubles:
            raise troubles[0]

    return apply


def _button(label: str, key: str, icon: str, reason: str, help: str | None = None) -> bool:
    return st.button(label, key=key, icon=icon, disabled=bool(reason), help=reason or help)


def _resume(job: Job, reason: str, help: str) -> None:
    if job.status not in (JobStatus.FAILED, JobStatus.STOPPED):
        return
    if _button("Resume", "job_resume", ":material/resume:", reason, help):
        with shown("Resume the job"):
            service = backend().searching if isinstance(job, TuningJob) else backend().launching
            made = service.resume(job.name, actor=actor(), key=click_key("resume", job.name))
            queries.forget_jobs()
            st.switch_page(navigation.JOBS.file, query_params={"job": made.name})


def _clone(name: str) -> None:
    if st.button("Clone", key="job_clone", icon=":material/content_copy:", help="Open Launch with this configuration."):
        st.switch_page(navigation.LAUNCH.file, query_params={"clone": name})


def _register(name: str, ready: bool, why_not: str, reason: str) -> None:
    """Register the model of the training job `name`, or show the version that it became."""
    if registered := versions_of(name) if name else []:
        version = str(registered[0].version)
        st.page_link(
            navigation.PROMOTE.file,
            label=f"Version {version}",
            icon=":material/inventory_2:",
            query_params={"version": version},
        )
    elif st.button(
        "Register",
        key="job_register",
        type="primary",
        icon=":material/inventory_2:",
        disabled=bool(reason) or not ready,
        help=reason or (None if ready else why_not),
    ):
        with shown("Register the model"):
            made = backend().registration.register_job(name, actor=actor())
            queries.versions.clear()
            st.switch_page(navigation.PROMOTE.file, query_params={"version": str(made.version)})
