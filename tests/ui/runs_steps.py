"""What tests of the runs page look at: three runs, the table's rows, what the charts were sent."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from backend.domain.tracking import RunState
from tests.fakes.backend import World
from tests.ui.test_tuning_jobs import rows


def three(world: World) -> None:
    for name, rate, best, state in (
        ("slow", 0.001, 0.95, RunState.FINISHED),
        ("good", 0.01, 0.99, RunState.FINISHED),
        ("bad", 0.1, 0.50, RunState.FAILED),
    ):
        world.runs.add_run(
            name,
            {"val/accuracy": [0.1, best, best - 0.01], "val/loss": [2.0, 1.0 - best, 0.5], "epoch": [0, 1, 2]},
            config={"lr": rate, "model": "lean_c"},
            state=state,
            group="search" if name != "slow" else "",
            tags=("keep",) if name == "good" else (),
        )


def names(app: AppTest) -> list[str]:
    return [row["Run"] for row in rows(app, "runs_table")]


def table(app: AppTest, heading: str) -> list[dict[str, Any]]:
    """The table whose first column has this heading."""
    (found,) = [frame.value for frame in app.dataframe if frame.value.columns[0] == heading]
    return list(found.to_dict("records"))


def drawn(app: AppTest, key: str = "runs_chart") -> tuple[dict[str, Any], np.ndarray]:
    """Header and numbers of the charts as the browser gets them."""
    (chart,) = [element for element in app.get("bidi_component") if f"-{key}" in element.proto.id]
    content = chart.proto.bytes
    length = int.from_bytes(content[:4], "little")
    return json.loads(content[4 : 4 + length]), np.frombuffer(content[4 + length :], np.float32)


def lines(app: AppTest) -> list[str]:
    return [run["name"] for run in drawn(app)[0]["runs"]]


def ticked(app: AppTest, *numbers: int) -> AppTest:
    app.session_state["runs_table"] = {"selection": {"rows": list(numbers), "columns": [], "cells": []}}
    return app.run()


def parameter(app: AppTest, name: str) -> str:
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def key(name: str) -> str:
    return f"digit_classification/{name}"
