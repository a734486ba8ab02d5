"""The doctor: a check that breaks is an answer, not the end of the examination."""

from __future__ import annotations

from backend.errors import SetupError
from backend.ports.probes import Probe
from backend.services.doctor import Doctor


def lacks() -> str:
    raise SetupError("It is missing.", hint="make setup")


def breaks() -> str:
    raise ValueError("Invalid header value: my-secret-key")


def test_every_check_is_answered_and_no_value_is_quoted() -> None:
    looks = {"breaking": breaks, "lacking": lacks, "well": lambda: "fine"}
    broken, lacking, well = Doctor([Probe(name=name, look=look) for name, look in looks.items()]).examine()
    assert (broken.ok, lacking.ok, well.ok) == (False, False, True)
    assert "ValueError" in broken.detail
    assert "secret" not in broken.detail + broken.fix
    assert (lacking.detail, lacking.fix) == ("It is missing.", "make setup")
