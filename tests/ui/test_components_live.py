"""Charts, logs, command lines, and the look that every page gets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.components.log_viewer import readable
from app.components.metric_chart import chart_options, describe

ROOT = Path(__file__).parents[2]
NAN = float("nan")


def test_what_is_no_number_is_a_gap_in_the_line_never_a_zero() -> None:
    (line,) = chart_options({"loss": [(0, 1.0), (1, NAN), (2, float("inf")), (3, 0.5)]}, x_name="step")["series"]
    assert line["data"] == [[0, 1.0], [1, None], [2, None], [3, 0.5]]


def test_a_log_scale_leaves_out_what_it_cannot_show() -> None:
    options = chart_options({"loss": [(0, 1.0), (1, 0.0), (2, -1.0)]}, x_name="step", scale="log")
    assert options["yAxis"]["type"] == "log"
    assert [y for _, y in options["series"][0]["data"]] == [1.0, None, None]


def test_a_live_chart_does_not_play_its_entry_again_and_again() -> None:
    assert chart_options({}, x_name="step")["animation"] is False


def test_a_chart_in_words() -> None:
    told = describe({"accuracy": [(1, 0.9), (2, NAN), (3, 0.99)], "loss": []}, x_name="epoch")
    assert told == "Line chart over epoch. accuracy: 0.99 after 3 points, from 0.9 to 0.99; loss: no values yet."


def _chart() -> None:
    from app.components.metric_chart import metric_chart

    metric_chart({"accuracy": [(1, 0.9), (2, float("nan"))]}, key="curve", x_name="epoch")


def test_a_chart_with_gaps_renders() -> None:
    at = AppTest.from_function(_chart).run()
    assert not at.exception
    assert len(at.get("echarts_chart")) == 1


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("\x1b[32mgreen\x1b[0m\n", "green\n"),
        ("10 %\r50 %\r100 %\nnext", "100 %\nnext"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        ("tab\tstays, bell\x07 and \x1b]0;title\x07 go", "tab\tstays, bell and  go"),
        ("<b>as it is</b>", "<b>as it is</b>"),
    ],
)
def test_logs_are_readable(raw: str, read: str) -> None:
    assert readable(raw) == read


def _log() -> None:
    import streamlit as st

    from app.components.log_viewer import log_viewer

    log_viewer(st.session_state["text"], key="log", file_name="job.log", read_all=lambda: "all of it", cut=True)


def test_a_log_reaches_the_browser_as_data_not_as_markup() -> None:
    at = AppTest.from_function(_log)
    at.session_state["text"] = "epoch 1 <img src=x>\n"
    (viewer,) = at.run().get("bidi_component")
    assert "<img src=x>" in viewer.proto.json
    assert "<img" not in viewer.proto.html_content
    assert "innerHTML" not in viewer.proto.js_content


def test_an_empty_log_says_so() -> None:
    at = AppTest.from_function(_log)
    at.session_state["text"] = ""
    at.run()
    assert at.caption[0].value == "Nothing has been written yet."
    assert not at.get("bidi_component")


def _command() -> None:
    from app.components.command_line import command_line

    command_line("python -m backend jobs stop mnist-0142")


def test_a_command_line_can_be_copied() -> None:
    assert AppTest.from_function(_command).run().code[0].value == "python -m backend jobs stop mnist-0142"


def _page() -> None:
    import streamlit as st

    from app import theme

    theme.apply()
    with theme.header("Jobs", "Everything that trains"):
        st.badge("Live")
    with theme.card("list", "All jobs"):
        st.text("inside")
    st.text(theme.mode())


def test_every_page_gets_the_look() -> None:
    at = AppTest.from_function(_page).run()
    assert not at.exception
    assert at.title[0].value == "Jobs"
    assert at.caption[0].value == "Everything that trains"
    assert at.subheader[0].value == "All jobs"
    assert [text.value for text in at.text] == ["inside", "light"]


def test_fonts_come_from_this_repository_with_their_licence() -> None:
    config = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))
    for face in config["theme"]["fontFaces"]:
        file = ROOT / face["url"]
        assert file.read_bytes()[:4] == b"wOF2"
        assert "SIL Open Font License" in file.with_suffix(".OFL.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "file",
    [
        path.relative_to(ROOT).as_posix()
        for folder in (ROOT / "app", ROOT / ".streamlit")
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".css", ".js", ".html", ".toml", ".svg"}
    ],
)
def test_the_look_asks_nothing_of_the_internet(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|url\(", text)


def test_the_style_sheet_repeats_the_colours_of_the_configuration() -> None:
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]
    css = (ROOT / "app/theme.css").read_text(encoding="utf-8")
    for name, option in (("surface", "secondaryBackgroundColor"), ("line", "borderColor"), ("danger", "redColor")):
        found = re.search(rf"--{name}: light-dark\((.+?), (.+?)\);", css)
        assert found is not None
        light = found[1].replace("#fff", "#ffffff")
        assert (light, found[2]) == (theme["light"][option].lower(), theme["dark"][option].lower())
