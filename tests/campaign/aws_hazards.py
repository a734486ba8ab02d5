"""For each hazard of AWS: without our handling of it, the tests fail. `python -m tests.campaign.aws_hazards`

Each handling is taken out of a copy of the code, and the tests that guard it are run there: they must fail. Exit code 1
when some pass, or when the place to change is not found any more.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = "backend/adapters/sagemaker"
LAUNCHING, MANY = "tests/unit/sagemaker/test_job_launching.py", "tests/unit/sagemaker/test_many.py"


@dataclass(frozen=True)
class Hazard:
    """`handling` in `file` becomes `without`; then `tests` must fail."""

    what: str
    file: str
    handling: str
    without: str
    tests: str


HAZARDS = (
    Hazard(
        "second page of the list of jobs",
        "listing.py",
        """                if "NextToken" in page:
                    self._pace.wait()
""",
        "                break\n",
        f"{MANY}::test_a_thousand_jobs_are_listed_whole_with_ten_calls_and_then_with_one",
    ),
    Hazard(
        "rate of ListTrainingJobs",
        "listing.py",
        "                    self._pace.wait()\n",
        "                    continue\n",
        f"{MANY}::test_a_thousand_jobs_are_listed_whole_with_ten_calls_and_then_with_one",
    ),
    Hazard(
        "pages of ten instead of a hundred",
        "session.py",
        "PAGE: Final = 100",
        "PAGE: Final = 10",
        f"{MANY}::test_a_thousand_jobs_are_listed_whole_with_ten_calls_and_then_with_one",
    ),
    Hazard(
        "second page of a launched job's namesakes",
        "lookup.py",
        """                for page in pages.paginate(
                    NameContains=base, SortBy="CreationTime", SortOrder="Ascending", PaginationConfig={"PageSize": PAGE}
                )""",
        """                for page in pages.paginate(
                    NameContains=base, SortBy="CreationTime", SortOrder="Ascending", PaginationConfig={"MaxItems": PAGE}
                )""",
        f"{MANY}::test_the_job_of_a_launch_is_found_on_any_page",
    ),
    Hazard(
        "further pages of a log",
        "job_logs.py",
        "            if following == token:\n",
        "            if True:\n",
        f"{MANY}::test_more_lines_than_a_page_holds_are_read_whole_and_once",
    ),
    Hazard(
        "second stream of an interrupted job",
        "job_logs.py",
        "        return [name for _, name in sorted(found)]",
        "        return [name for _, name in sorted(found)][:1]",
        f"{MANY}::test_more_lines_than_a_page_holds_are_read_whole_and_once",
    ),
    Hazard(
        "throttling",
        "session.py",
        '"retries": {"mode": "standard", "total_max_attempts": 3}',
        '"retries": {"mode": "standard", "total_max_attempts": 1}',
        f"{LAUNCHING}::test_throttled_at_every_first_call_the_job_still_runs_once",
    ),
    Hazard(
        "stale answer while AWS throttles",
        "background.py",
        "            if isinstance(self._error, NotFoundError) or (self._error is not None and not self._has):",
        "            if self._error is not None:",
        "tests/unit/sagemaker/test_background.py",
    ),
    Hazard(
        "two launchers of one job",
        "job_records.py",
        """        except LostRaceError:
            return False
        return True
""",
        """        except LostRaceError:
            return True
        return True
""",
        "tests/unit/sagemaker/test_records.py",
    ),
    Hazard(
        "the same click under two names",
        "job_records.py",
        "        if (earlier := self.by_key(key)) is not None:\n            return earlier\n",
        "",
        "tests/unit/sagemaker/test_records.py",
    ),
    Hazard(
        "a name that is another's",
        "job_records.py",
        "            if owner is None or owner.request.key != key:\n",
        "            if owner is None:\n",
        "tests/unit/sagemaker/test_records.py",
    ),
    Hazard(
        "a job that a dead launcher launched",
        "launcher.py",
        "    return Lookup(aws).sagemaker_name(found) is not None",
        "    return False",
        f"{LAUNCHING}::test_what_a_dead_launcher_launched_is_found_and_not_launched_again",
    ),
    Hazard(
        "a stop while launching",
        "launcher.py",
        "        records.mark_launching(found.name, LaunchState.STOPPED)\n        return None\n",
        "        pass\n",
        f"{LAUNCHING}::test_a_job_stopped_before_it_is_launched_never_is",
    ),
    Hazard(
        "an expired token mistaken for a missing object",
        "objects.py",
        "            if kind_of(error) is Kind.MISSING:\n                return False\n",
        "            if kind_of(error) is not Kind.THROTTLED:\n                return False\n",
        "tests/unit/sagemaker/test_objects.py",
    ),
    Hazard(
        "telemetry of the SDK",
        "launcher.py",
        "        sagemaker_config=dict(_NO_TELEMETRY),\n",
        "",
        f"{LAUNCHING}::test_nothing_secret_and_no_telemetry_leaves",
    ),
)


def main() -> int:
    wanted = sys.argv[1:]
    survived = []
    for hazard in HAZARDS:
        if wanted and not any(word in hazard.what for word in wanted):
            continue
        outcome = "noticed" if is_noticed(hazard) else "NOT NOTICED"
        print(f"{outcome:<12} {hazard.what}", flush=True)
        if outcome != "noticed":
            survived.append(hazard.what)
    return 1 if survived else 0


def is_noticed(hazard: Hazard) -> bool:
    """Whether the tests fail without the handling."""
    with tempfile.TemporaryDirectory(prefix="hazard-") as folder:
        copy = Path(folder)
        for name in ("backend", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        path = copy / ADAPTER / hazard.file
        text = path.read_text()
        if text.count(hazard.handling) == 0:
            raise SystemExit(f"'{hazard.what}': {hazard.file} has changed; tell this campaign where the handling is.")
        path.write_text(text.replace(hazard.handling, hazard.without, 1))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *hazard.tests.split()]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        return done.returncode == 1


if __name__ == "__main__":
    sys.exit(main())
