from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from backend.adapters.wandb.cloud_columns import Columns, write_columns

IMAGE = {"_type": "image-file", "path": "media/images/x.png", "width": 28, "height": 28, "caption": "a 7"}


def columns(*rows: dict[str, Any]) -> Columns:
    made = Columns()
    for row in rows:
        made.add(row)
    return made


def told(values: Any) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


def test_a_metric_has_a_gap_where_it_was_not_logged() -> None:
    made = columns({"_step": 0, "_timestamp": 5.5, "a": 1}, {"_step": 3, "b": True}, {"_step": 4, "a": 2.5, "b": False})
    assert list(made.steps) == [0, 3, 4]
    assert told(made.times) == [5.5, None, None]
    assert {name: told(values) for name, values in made.columns.items()} == {"a": [1, None, 2.5], "b": [None, 1, 0]}


def test_nan_and_infinities_come_as_words_and_nested_values_under_joined_names() -> None:
    made = columns({"_step": 0, "loss": "NaN", "grad": {"norm": "Infinity", "layer": {"1": "-Infinity"}}, "note": "x"})
    assert made.not_numbers == {"loss": 1}
    assert math.isnan(made.columns["loss"][0])
    assert (made.columns["grad.norm"][0], made.columns["grad.layer.1"][0]) == (math.inf, -math.inf)
    assert "note" not in made.columns


def test_files_are_kept_by_metric_and_step_several_images_one_by_one() -> None:
    several = {
        "_type": "images/separated",
        "filenames": ["media/1.png", "media/2.png"],
        "captions": ["one"],
        "width": 28,
    }
    made = columns({"_step": 2, "digit": IMAGE, "wrong": several, "table": {"_type": "table-file", "path": "t.json"}})
    assert [(item["metric"], item["step"], item["path"], item.get("caption")) for item in made.media] == [
        ("digit", 2, "media/images/x.png", "a 7"),
        ("wrong", 2, "media/1.png", "one"),
        ("wrong", 2, "media/2.png", ""),
        ("table", 2, "t.json", None),
    ]
    assert made.columns == {}


def test_reading_on_gives_what_reading_at_once_gives() -> None:
    rows = [{"_step": i, "_timestamp": float(i), "a": i, **({"b": -i} if i % 2 else {"c": "NaN"})} for i in range(7)]
    whole = columns(*rows)
    for cut in range(8):
        pieces = columns(*rows[:cut]).extended(columns(*rows[cut:]))
        assert list(pieces.steps) == list(whole.steps)
        assert {n: told(v) for n, v in pieces.columns.items()} == {n: told(v) for n, v in whole.columns.items()}
        assert pieces.not_numbers == whole.not_numbers


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    rows = [{"_step": 0, "_timestamp": 1.5, "a/b": 0.1, "x.y": "NaN"}, {"_step": 9, "_timestamp": 2.5, "digit": IMAGE}]
    assert write_columns(str(tmp_path / "h.npz"), rows) == {"rows": 2, "last_step": 9}
    read, made = Columns.read(tmp_path / "h.npz"), columns(*rows)
    assert (read.steps, read.times, read.media, read.not_numbers) == (made.steps, made.times, made.media, {"x.y": 1})
    assert {n: told(v) for n, v in read.columns.items()} == {"a/b": [0.1, None], "x.y": [None, None]}
    assert list(tmp_path.iterdir()) == [tmp_path / "h.npz"]
