"""What jobs cost, where the platform bills them."""

from __future__ import annotations

from collections.abc import Sequence

from app import queries
from app.components.freshness import cost_words
from app.queries import Job
from backend.domain.jobs import Billing


def costs(jobs: Sequence[Job]) -> dict[str, str]:
    """In words, by the job's name; a tuning job costs what its trials do. Without those that nobody bills."""
    billings: dict[str, list[Billing]] = {}
    for job in queries.jobs():
        if job.billing is not None:
            for name in (job.name, job.request.tuning_job):
                billings.setdefault(name, []).append(job.billing)
    return {job.name: cost_words(billings[job.name]) for job in jobs if job.name in billings}
