"""One tuning job: how the search goes, its best trial, its trials, what they say about the space, what it wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.components.notice import notice
from app.components.relative_time import duration, relative_time
from app.components.trial_table import trial_table
from app.context import backend
from app.errors import shown
from app.estimates import time_left, trials_of
from app.job_costs import costs
from app.tuning_figures import range_words, text_of
from app.views.job_actions import versions_of
from app.views.job_detail import job_link
from app.views.job_log import job_log
from app.views.launch_parts import slots_for
from app.views.tuning_charts import importance, live_charts, parallel
from backend.domain.jobs import JobStatus
from backend.domain.training import hyperparameter
from backend.domain.tuning import StopMode, TuningJob

REFRESH: Final = "2s"


def tuning_detail(job: TuningJob) -> None:
    """Everything below the job's title. While the job lives, the live part draws itself again every two seconds."""
    if job.status is JobStatus.FAILED:
        kept = any(trial.is_finished for trial in job.trials)
        error_panel(
            key="job_failed",
            what="This tuning job failed.",
            why=job.failure_reason,
            next_step="Read the search log below, and the log of the trial that it names. "
            + ("Resume keeps the finished trials and runs the others; " if kept else "Resume tries the trials again; ")
            + "Clone begins anew with other values.",
        )
    for number, text in enumerate(job.notices):
        notice(text, key=f"job_{number}")
    # A finished search no longer changes: it is drawn once and costs nothing more.
    st.fragment(_live, run_every=REFRESH if _lives(job) else None)(job.name, _drawn_with(job))
    left, right = st.columns(2, gap="medium")
    with left, theme.card("configuration", "Configuration", stretch=True):
        _configuration(job)
    with right, theme.card("artifacts", "Search", stretch=True):
        _about(job)


def _lives(job: TuningJob) -> bool:
    """A search that was killed ends before the trials that it left behind."""
    return not job.status.is_terminal or not all(trial.status.is_terminal for trial in job.trials)


def _drawn_with(job: TuningJob) -> tuple[object, ...]:
    """What title, buttons, notices and lineage show: when it changes, the whole page follows."""
    return job.status, job.stop_mode, job.notices, _lives(job), job.best_trial.job if job.best_trial else ""


def _live(name: str, drawn_with: tuple[object, ...]) -> None:
    with shown("Follow the tuning job"):
        job = queries.tuning_job(name)
        if _drawn_with(job) != drawn_with:
            st.rerun(scope="app")
        left, right = st.columns([3, 2], gap="medium")
        with left, theme.card("progress", stretch=True):
            _numbers(job)
        with right, theme.card("best", "Best trial", stretch=True):
            _best(job)
        live_charts(job)
        with theme.card("trials", "Trials"):
            _trials(job)
        with theme.card("parallel", "Parallel coordinates"):
            parallel(job)
        left, right = st.columns([2, 3], gap="medium")
        with left, theme.card("importance", "Parameter importance", stretch=True):
            importance(job)
        with right:
            job_log(name, queries.tuning_log_tail(name), backend().tuning.read_log, title="Search log")


def _numbers(job: TuningJob) -> None:
    now = datetime.now(UTC)
    took = job.duration(now)
    ended = sum(trial.status.is_terminal for trial in job.trials)
    failed = sum(trial.status is JobStatus.FAILED for trial in job.trials)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Trials ended", f"{ended} of {trials_of(job.request)}", width="content")
        best = job.best_trial
        value = "-" if best is None or best.value is None else f"{best.value:.5g}"
        st.metric(f"Best {job.request.objective}", value, width="content")
        if job.request.early_stopping or job.epochs_saved:
            st.metric("Epochs saved", f"{job.epochs_saved:g}", width="content", help="By ending trials early.")
        if failed:
            st.metric("Trials failed", str(failed), width="content")
        st.metric("Duration" if job.status.is_terminal else "Elapsed", duration(took) if took else "-", width="content")
        if cost := costs([job]).get(job.name):
            st.metric("Cost", cost, width="content", help="Of all its trials, at the price on demand.")
    request = job.request
    st.caption(
        f"{request.strategy.value} search, {request.direction.value.lower()} {request.objective} over "
        + ", ".join(hyperparameter(parameter.name).label.lower() for parameter in request.space)
        + f"; {request.max_parallel} {'trial' if request.max_parallel == 1 else 'trials'} at once"
        + (", early stopping on." if request.early_stopping else ".")
    )
    if not job.status.is_terminal:
        st.progress(job.progress, text=_progress_text(job, ended, now))
    else:
        relative_time(job.ended_at or job.created_at, before="Ended")


def _progress_text(job: TuningJob, ended: int, now: datetime) -> str:
    if job.status is JobStatus.STOPPING:
        waits = job.stop_mode is StopMode.AFTER_RUNNING
        return "Stopping after the running trials." if waits else "Stopping the running trials."
    left = time_left(job, slots_for(job.request.max_parallel), now)
    running = [trial for trial in job.trials if trial.status is JobStatus.IN_PROGRESS]
    if running:
        first = running[0]
        doing = f"trial {first.number} in epoch {min(first.planned_epochs, int(first.epochs) + 1)}"
        doing += f" of {first.planned_epochs}"
    else:
        doing = "choosing values" if ended == len(job.trials) else f"trial {ended + 1} waits for a slot"
    rest = f", about {duration(left)} left" if left else ""
    return f"{job.progress:.0%}, {doing}{rest}. You may leave this page."


def _best(job: TuningJob) -> None:
    best = job.best_trial
    if best is None or best.value is None:
        st.caption("No trial has completed." if job.status.is_terminal else "No trial has completed yet.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{job.request.objective} {best.value:.5g}**", width="content")
        job_link(f"Trial {best.number}", best.job, ":material/emoji_events:")
    with st.container(horizontal=True, gap="small"):
        for name, chosen in best.hyperparameters.items():
            st.badge(f"{hyperparameter(name).label} {text_of(chosen)}", color="violet")
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Train with these values",
            key="tuning_train_best",
            icon=":material/rocket_launch:",
            help="Open Launch with the best trial's whole configuration, to train longer or on more.",
        ):
            st.switch_page(navigation.LAUNCH.file, query_params={"clone": best.job, "mode": "train"})
        accuracy = queries.job(best.job).metrics.get("test_accuracy")
        if accuracy is not None:
            st.caption(f"Test accuracy {accuracy:.2%}, measured once at its end.", width="content")


def _trials(job: TuningJob) -> None:
    if not job.trials:
        st.caption("No trial was launched." if job.status.is_terminal else "The first trial is being launched.")
        return
    clicked = trial_table(
        job.trials,
        objective=job.request.objective,
        best=job.best_trial.number if job.best_trial else 0,
        key="tuning_trials",
        now=datetime.now(UTC),
    )
    st.caption("Click a row to open the trial's own page.")
    if clicked:
        st.query_params["job"] = clicked
        st.rerun(scope="app")


def _configuration(job: TuningJob) -> None:
    request = job.request
    searched = [
        {"Hyperparameter": hyperparameter(parameter.name).label, "Value": range_words(parameter), "": "searched"}
        for parameter in request.space
    ]
    shared = [
        {"Hyperparameter": hyperparameter(name).label, "Value": text_of(value), "": ""}
        for name, value in request.hyperparameters.items()
    ]
    st.dataframe([*searched, *shared], hide_index=True, key="job_configuration", height=330, alt="Configuration")


def _about(job: TuningJob) -> None:
    request = job.request
    relative_time(job.created_at, before="Launched")
    st.text(f"by {request.requested_by}, preset {request.preset}")
    stopping = "on" if request.early_stopping else "off"
    st.text(
        f"{request.strategy.value}, {request.direction.value.lower()} {request.objective}\n"
        f"at most {request.max_jobs} trials, {request.max_parallel} at once\n"
        f"early stopping {stopping}, seed {request.seed}"
    )
    for words, origin, icon in (
        ("Resumed from", request.resumed_from, ":material/resume:"),
        ("Learnt from", request.warm_start_from, ":material/school:"),
    ):
        if origin:
            job_link(f"{words} {origin}", origin, icon)
    _lineage(job)
    if not job.status.is_terminal:
        command_line(f"python -m backend jobs stop {job.name} --after-running\npython -m backend jobs stop {job.name}")
    else:
        commands = [f"python -m backend register {job.best_trial.job}"] if job.best_trial else []
        if job.status is not JobStatus.COMPLETED:
            commands.append(f"python -m backend jobs resume {job.name}")
        command_line("\n".join(commands))


def _lineage(job: TuningJob) -> None:
    """Search, best trial, version: each a link, as far as it has come."""
    best = job.best_trial
    if best is None:
        return
    st.caption("Lineage")
    with st.container(horizontal=True, vertical_alignment="center"):
        job_link(f"Trial {best.number}", best.job, ":material/emoji_events:")
        for version in versions_of(best.job):
            st.page_link(
                navigation.PROMOTE.file,
                label=f"Version {version.version}",
                icon=":material/inventory_2:",
                query_params={"version": str(version.version)},
                width="content",
            )
