"""The gates' file: the one that is shipped, and what is said about one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.adapters.local.gate_file import read_gates
from backend.domain.gates import ASK_STAGING, Gate, GateName
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, NotFoundError
from backend.settings import ROOT

GOOD = """\
staging:
  digest: required
prod:
  approved: required
  not_worse: {alpha: 0.05, margin: 0.002}
  latency: {p99_ms: 5e1}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gates.yaml"
    path.write_text(text)
    return path


def test_the_gates_come_in_the_order_of_the_file_with_their_limits(tmp_path: Path) -> None:
    gates = read_gates(written(tmp_path, GOOD))
    assert gates[Stage.STAGING] == (Gate(name=GateName.DIGEST),)
    assert gates[Stage.PROD] == (
        Gate(name=GateName.APPROVED),
        Gate(name=GateName.NOT_WORSE, limits={"alpha": 0.05, "margin": 0.002}),
        Gate(name=GateName.LATENCY, limits={"p99_ms": 50.0}),
    )


def test_the_gate_of_hard_examples_may_name_a_set(tmp_path: Path) -> None:
    gates = read_gates(written(tmp_path, GOOD + "  hard_examples: {tolerance: 0.1, set: sevens}\n"))
    assert gates[Stage.PROD][-1] == Gate(name=GateName.HARD_EXAMPLES, limits={"tolerance": 0.1}, examples="sevens")


def test_the_file_that_is_shipped_asks_everything_of_prod_and_less_of_staging() -> None:
    gates = read_gates(ROOT / "models" / "gates.yaml")
    asked = {stage: [gate.name for gate in gates[stage]] for stage in Stage}
    assert set(asked[Stage.PROD]) == set(GateName)
    assert {GateName.DIGEST, GateName.APPROVED} == set(asked[Stage.STAGING])
    probe = next(gate for gate in gates[Stage.PROD] if gate.name is GateName.PROBE)
    assert probe.limits == {"at_least": 0.99}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "expected the stages as keys: staging, prod"),
        ("staging: {}\n", 1, "'prod' is missing"),
        ("staging: {}\nprod: {}\nmoon: {}\n", 3, "unknown key 'moon' in the stages"),
        (GOOD.replace("latency", "latancy"), 6, "unknown key 'latancy' in the gates of 'prod'; meant is perhaps 'late"),
        (GOOD.replace("p99_ms", "p95_ms"), 6, "unknown key 'p95_ms' in the limits of 'latency'"),
        (GOOD.replace(", margin: 0.002", ""), 5, "'not_worse' needs 'margin'"),
        (GOOD.replace("0.05", "5 %"), 5, "'alpha' of 'not_worse' is '5 %', expected a number from 0.0001 to 0.5"),
        (GOOD.replace("0.05", "0.9"), 5, "'alpha' of 'not_worse' is '0.9', expected a number from 0.0001 to 0.5"),
        (GOOD.replace("0.05", ".nan"), 5, "'alpha' of 'not_worse' is '.nan'"),
        (GOOD.replace("0.05", "[1]"), 5, "'alpha' of 'not_worse' is no number"),
        (GOOD.replace("approved: required", "approved: yes"), 4, "write `approved: required`"),
        (GOOD.replace("{p99_ms: 5e1}", "required"), 6, "expected the limits of 'latency' as keys: p99_ms"),
        (GOOD + "  approved: required\n", 7, "'approved' is there twice"),
        (GOOD + "  hard_examples: {tolerance: 0.1, set: []}\n", 7, "'set' of 'hard_examples' is no name of a set"),
        (GOOD + "  hard_examples: {set: sevens}\n", 7, "'hard_examples' needs 'tolerance'"),
        (GOOD.replace("{p99_ms: 5e1}", "{p99_ms: 5e1, set: a}"), 6, "unknown key 'set' in the limits of 'latency'"),
        (GOOD.replace("prod:", "prod: {"), 5, "not YAML"),
        (GOOD.replace("  digest", "\tdigest"), 2, "not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_gates(written(tmp_path, text))
    assert f"gates.yaml', line {line}: " in refused.value.message
    assert said in refused.value.message


@pytest.mark.parametrize("name", sorted(gate.value for gate in ASK_STAGING))
def test_staging_cannot_ask_what_serves_on_staging(tmp_path: Path, name: str) -> None:
    text = GOOD.replace("digest: required", f"{name}: {{}}")
    with pytest.raises(InvalidInputError, match="cannot have served there before it does"):
        read_gates(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"gates\.yaml' does not exist"):
        read_gates(tmp_path / "gates.yaml")


def test_no_text_and_no_gates_are_refused(tmp_path: Path) -> None:
    (tmp_path / "gates.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match="not YAML"):
        read_gates(tmp_path / "gates.yaml")
    with pytest.raises(InvalidInputError, match="bytes; expected gates"):
        read_gates(written(tmp_path, "#" * 100_001))
