"""What the docs say is there: links, pictures, commands, settings, targets of make."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.cli.parser import build_parser
from backend.settings import ROOT, Settings
from tests.bench.screenshots import PICTURES

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in DOCS]
INTERNAL = frozenset({"DIGITS_CHECKPOINTS", "DIGITS_IMAGES", "DIGITS_TEST_PATIENCE"})
"""Variables that are no settings of the product: a container's, a campaign's, the tests'."""

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_COMMAND = re.compile(r"python -m backend((?: [^\n`|;&]*)?)")
_WORDS = {"N": "1", "M": "2", "STAGE": "prod", "TIME": "2026-11-24T09:00", "JOB": "job", "NAME": "name", "ID": "id"}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    broken = []
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    wrong = []
    for command in commands((ROOT / name).read_text()):
        try:
            parser.parse_args(command)
        except SystemExit:
            wrong.append(f"{shlex.join(command)}: {capsys.readouterr().err.splitlines()[-1]}")
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_and_target_exists(name: str) -> None:
    text = (ROOT / name).read_text()
    settings = {str(field.alias) for field in Settings.model_fields.values()}
    named = set(re.findall(r"\bDIGITS_[A-Z0-9]+(?:_[A-Z0-9]+)*(?![A-Z0-9_*])", text))
    assert named - settings - INTERNAL == set()
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) - targets == set()
    modules = re.findall(r"python -m ((?:tests|app)[a-z_.]*)", text)
    assert [m for m in modules if not list(ROOT.glob(f"{m.replace('.', '/')}*"))] == []


def test_every_setting_of_ours_is_explained() -> None:
    text = "".join(path.read_text() for path in DOCS)
    ours = {str(field.alias) for field in Settings.model_fields.values() if str(field.alias).startswith("DIGITS_")}
    assert {name for name in ours if f"`{name}" not in text} == set()


def test_every_picture_is_shown_and_made_by_the_script() -> None:
    shown = {Path(link).stem for page in DOCS for link in _LINK.findall(page.read_text()) if link.endswith(".png")}
    assert shown <= {picture.name for picture in PICTURES}
    kept = {path.stem for path in (ROOT / "docs" / "images").glob("*.png")}
    assert kept <= {picture.name for picture in PICTURES}


def test_the_list_of_tasks_is_whole() -> None:
    folder = ROOT / "docs" / "tasks"
    listed = set(_LINK.findall((folder / "README.md").read_text()))
    assert {path.name for path in folder.glob("*.md")} - {"README.md"} <= listed
    assert [
        path.name for path in folder.glob("*.md") if path.name != "README.md" and "![" not in path.read_text()
    ] == []


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: small letters, no punctuation, hyphens for blanks."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every `python -m backend ...` in code, with an example for each placeholder."""
    for code in _CODE.findall(text):
        for found in _COMMAND.findall(code.replace("\\\n", " ")):
            words = [_WORDS.get(word, word) for word in shlex.split(found, comments=True)]
            # `VERB` and `...` stand for any command.
            if words and words[0] != "VERB" and "..." not in words and not words[0].startswith("<"):
                yield words


def test_the_readers_of_these_tests_see_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(
        commands('`python -m backend promote N --to prod`\n```\npython -m backend tune --max "a b"  # no\n```')
    )
    assert found == [["promote", "1", "--to", "prod"], ["tune", "--max", "a b"]]
    with pytest.raises(SystemExit):
        build_parser().parse_args(["promote", "1", "--to", "production"])
    assert "production" in capsys.readouterr().err
