"""`.ci/setup.py`: what it refuses, which Python it takes, and that half a set-up is never taken for a whole one."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

SOURCE = Path(__file__).resolve().parents[2] / ".ci" / "setup.py"


class Replaced(Exception):  # noqa: N818 (no error: the process went on as another program)
    """Stands for `os.execv`, which does not return."""


class Machine:
    """A repository and a PATH in a temporary folder; installs are recorded, and may fail."""

    def __init__(self, folder: Path, module: ModuleType) -> None:
        self.root = folder / "repository"
        self.programs = folder / "programs"
        self.module = module
        self.calls: list[str] = []
        self.failing = ""
        self.serving_python: Callable[[], str] = module._serving_python
        self.root.mkdir()
        self.programs.mkdir()
        for name in ("requirements.txt", "requirements-dev.txt", "requirements-serving.txt"):
            (self.root / name).write_text(f"{name}==1\n")

    def install(self, name: str, script: str) -> str:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return str(program)

    def call(self, command: Sequence[str], hint: str = "") -> None:
        """What `_call` leaves behind: an environment holds its requirements once its install has ended."""
        words = " ".join(command)
        self.calls.append(words)
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.symlink_to(sys.executable)
        if "-r" in command:
            (Path(command[command.index("--python") + 1]).parents[1] / Path(command[-1]).name).touch()
        if self.failing and self.failing in words:
            raise KeyboardInterrupt

    def set_up(self, wanted: str = "run") -> list[str]:
        """Run it; the requirement files that were installed."""
        self.calls.clear()
        assert self.module.main([wanted]) == (130 if self.failing else 0)
        return [Path(call.split()[-1]).name for call in self.calls if " -r " in call]


@pytest.fixture
def setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("project_setup", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def machine(setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path, setup)
    for name, path in {"ROOT": "", "VENV": ".venv", "SERVING": ".venv-serving", "UV": ".venv/bin/uv"}.items():
        monkeypatch.setattr(setup, name, machine.root / path)
    monkeypatch.setattr(setup, "_call", machine.call)
    monkeypatch.setattr(setup, "why_no_triton", lambda *_: "")
    monkeypatch.setattr(setup, "_serving_python", lambda: "python3.12")
    monkeypatch.setattr(setup, "browser", lambda: None)
    monkeypatch.setenv("PATH", f"{machine.programs}:/usr/bin:/bin")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(setup, "CHROMIUMS", ("chromium-of-this-test",))
    return machine


def in_python(setup: ModuleType, monkeypatch: pytest.MonkeyPatch, *version: int) -> None:
    fake = SimpleNamespace(
        version_info=version, version="x", executable=sys.executable, argv=[".ci/setup.py", "run"], stderr=sys.stderr
    )
    monkeypatch.setattr(setup, "sys", fake)
    monkeypatch.setattr(setup.platform, "python_version", lambda: ".".join(map(str, version)))

    def replace(program: str, arguments: list[str]) -> None:
        raise Replaced(program, *arguments[1:])

    monkeypatch.setattr(os, "execv", replace)


@pytest.mark.parametrize("machine_name", ["x86_64", "aarch64"])
@pytest.mark.parametrize("libc", ["2.35", "2.36", "2.41", "3.0"])
def test_the_embedded_triton_runs_on_linux_with_a_recent_glibc(setup: ModuleType, machine_name: str, libc: str) -> None:
    assert setup.why_no_triton("Linux", machine_name, ("glibc", libc)) == ""


@pytest.mark.parametrize(
    ("system", "machine_name", "libc", "reason"),
    [
        ("Darwin", "arm64", ("", ""), "this is Darwin on arm64"),
        ("Linux", "riscv64", ("glibc", "2.41"), "this is Linux on riscv64"),
        ("Linux", "x86_64", ("", ""), "this is another C library"),
        ("Linux", "x86_64", ("musl", "1.2.5"), "this is musl 1.2.5"),
        ("Linux", "x86_64", ("glibc", "2.31"), "needs glibc 2.35 or later, this is glibc 2.31"),
        ("Linux", "x86_64", ("glibc", "2.9"), "this is glibc 2.9"),
    ],
)
def test_elsewhere_the_reason_and_the_way_out_are_said(
    setup: ModuleType, system: str, machine_name: str, libc: tuple[str, str], reason: str
) -> None:
    said = setup.why_no_triton(system, machine_name, libc)
    assert reason in said
    assert "run NVIDIA's Triton container" in said


def test_without_triton_the_dashboard_is_set_up_all_the_same(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "why_no_triton", lambda *_: "this is a Mac.")
    assert machine.set_up() == ["requirements.txt"]
    assert "no embedded Triton: this is a Mac." in capsys.readouterr().err


@pytest.mark.parametrize("version", [(3, 11, 2), (3, 12, 0), (3, 13, 9)])
def test_a_supported_python_goes_on(setup: ModuleType, monkeypatch: pytest.MonkeyPatch, version: Sequence[int]) -> None:
    in_python(setup, monkeypatch, *version)
    setup._use_supported_python()


@pytest.mark.parametrize("version", [(3, 14, 0), (3, 10, 13)])
def test_another_python_is_refused_with_the_reason(
    machine: Machine,
    setup: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: Sequence[int],
) -> None:
    in_python(setup, monkeypatch, *version)
    monkeypatch.setenv("PATH", str(machine.programs))
    assert setup.main(["run"]) == 1
    said = capsys.readouterr().err
    assert f"this is Python {'.'.join(map(str, version))}; the dashboard needs 3.11, 3.12 or 3.13" in said
    assert "TensorFlow 2.21 has no wheel for any other" in said
    assert "apt-get install python3.12 python3.12-venv" in said


def test_an_unsupported_python_hands_over_to_one_that_really_runs_and_has_venv(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    machine.install("python3.11", 'case "$2" in *ensurepip*) exit 1;; *) echo 3.11;; esac')
    whole = machine.install("python3.13", "echo 3.13")
    monkeypatch.setenv("PATH", str(machine.programs))
    in_python(setup, monkeypatch, 3, 14, 0)
    with pytest.raises(Replaced) as went_on:
        setup._use_supported_python()
    assert went_on.value.args == (whole, ".ci/setup.py", "run")


def test_the_first_set_up_makes_everything_and_the_second_nothing(machine: Machine) -> None:
    assert machine.set_up() == ["requirements.txt", "requirements-serving.txt"]
    assert machine.set_up() == []
    assert machine.calls == []
    assert machine.set_up("test") == ["requirements-dev.txt"]
    assert machine.set_up("test") == []
    assert machine.set_up() == []


def test_installs_compile_byte_code(machine: Machine) -> None:
    machine.set_up("test")
    installs = [call for call in machine.calls if " -r " in call]
    assert len(installs) == 3
    assert all("--compile-bytecode" in call for call in installs)


def test_changed_requirements_update_the_environment_in_place(machine: Machine) -> None:
    machine.set_up("test")
    (machine.root / "requirements.txt").write_text("other==2\n")
    assert machine.set_up("test") == ["requirements.txt", "requirements-dev.txt"]
    assert not any("-m venv" in call for call in machine.calls)
    (machine.root / "requirements-serving.txt").write_text("other==2\n")
    assert machine.set_up("test") == ["requirements-serving.txt"]


def test_another_python_makes_the_environment_anew(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.set_up()
    old = machine.root / ".venv" / "of-the-old-python"
    old.touch()
    monkeypatch.setattr(setup, "_version", lambda python: "3.11" if str(machine.root) in python else "3.12")
    (machine.root / "requirements.txt").write_text("other==2\n")
    assert machine.set_up() == ["requirements.txt"]
    assert not old.exists()


def test_a_python_that_an_upgrade_removed_makes_the_environment_anew(machine: Machine) -> None:
    machine.set_up()
    python = machine.root / ".venv-serving" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    assert machine.set_up() == ["requirements-serving.txt"]
    assert python.exists()


@pytest.mark.parametrize(
    ("interrupted", "again"),
    [
        ("-m venv", ["requirements.txt", "requirements-serving.txt", "requirements-dev.txt"]),
        ("-m pip install", ["requirements.txt", "requirements-serving.txt", "requirements-dev.txt"]),
        ("requirements.txt", ["requirements.txt", "requirements-serving.txt", "requirements-dev.txt"]),
        ("requirements-serving.txt", ["requirements-serving.txt", "requirements-dev.txt"]),
        ("requirements-dev.txt", ["requirements.txt", "requirements-dev.txt"]),
    ],
)
def test_an_interrupted_set_up_is_made_anew(machine: Machine, interrupted: str, again: list[str]) -> None:
    machine.failing = interrupted
    machine.set_up("test")
    broken = ".venv-serving" if "serving" in interrupted else ".venv"
    half = machine.root / broken / "half-written"
    half.touch()
    machine.failing = ""
    assert machine.set_up("test") == again
    assert not half.exists()
    assert machine.set_up("test") == []


def test_an_interrupted_update_is_made_anew(machine: Machine) -> None:
    machine.set_up()
    (machine.root / "requirements.txt").write_text("other==2\n")
    machine.failing = "requirements.txt"
    machine.set_up()
    (machine.root / ".venv" / "half-written").touch()
    machine.failing = ""
    (machine.root / "requirements.txt").write_text("requirements.txt==1\n")
    assert machine.set_up() == ["requirements.txt"]
    assert not (machine.root / ".venv" / "half-written").exists()


def test_a_failed_step_stops_with_its_command_and_what_to_do(
    machine: Machine, setup: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(command: Sequence[str], hint: str = "Check the network.") -> None:
        raise setup.SetupError(f"'{' '.join(command)}' failed.\n{hint}")

    setup._call = fail
    assert setup.main(["run"]) == 1
    said = capsys.readouterr().err
    assert f"'{sys.executable} -m venv" in said
    assert f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv" in said


def test_a_browser_is_found_only_if_it_starts(machine: Machine, setup: ModuleType, tmp_path: Path) -> None:
    assert setup.find_chromium() == ""
    machine.install("chromium-of-this-test", "echo 'Please install the snap' >&2; exit 1")
    assert setup.find_chromium() == ""
    downloaded = tmp_path / "downloads" / "chromium-1200" / "chrome-linux" / "chrome"
    downloaded.parent.mkdir(parents=True)
    Path(machine.install("chrome", "echo Chromium 140")).rename(downloaded)
    assert setup.find_chromium() == str(downloaded)
    own = machine.install("chromium-of-this-test", "echo Chromium 141")
    assert setup.find_chromium() == own


def test_the_browser_that_is_named_is_taken_or_refused(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("chromium-of-this-test", "echo Chromium 141")
    named = machine.install("my-chrome", "echo Chromium 142")
    monkeypatch.setenv("CHROMIUM", named)
    assert setup.find_chromium() == named
    monkeypatch.setenv("CHROMIUM", "/nowhere/chrome")
    with pytest.raises(setup.SetupError, match="CHROMIUM names '/nowhere/chrome', which does not start"):
        setup.find_chromium()


STATIC = 'case "$2" in *ctypes*) exit 1;; *) echo 3.12;; esac'
"""A Python as Debian and Ubuntu install it: its shared library is a package apart."""


def test_serving_takes_the_python_of_the_set_up_if_it_can_serve(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("python3.12", "echo 3.12")
    in_python(setup, monkeypatch, 3, 11, 2)
    monkeypatch.setattr(setup, "_has_shared_library", lambda python: True)
    assert machine.serving_python() == sys.executable


def test_beside_python_313_serving_takes_a_host_python_that_can_serve(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("python3.12", STATIC)
    whole = machine.install("python3.11", "echo 3.11")
    in_python(setup, monkeypatch, 3, 13, 0)
    assert machine.serving_python() == whole


def test_serving_fetches_a_python_where_the_host_has_none(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.programs))
    in_python(setup, monkeypatch, 3, 13, 0)
    monkeypatch.setattr(setup, "UV", machine.install("uv", 'test "$*" = "python install --quiet 3.12"'))
    assert machine.serving_python() == "3.12"


def test_what_cannot_be_fetched_is_installed_for_root_and_named_for_others(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = machine.install("python3.12", STATIC)
    monkeypatch.setenv("PATH", str(machine.programs))
    in_python(setup, monkeypatch, 3, 13, 0)
    monkeypatch.setattr(setup, "UV", machine.install("uv", "exit 2"))
    monkeypatch.setattr(setup, "_apt_install", lambda package: False)
    with pytest.raises(setup.SetupError) as refused:
        machine.serving_python()
    assert f"found {static} without it" in str(refused.value)
    assert str(refused.value).endswith("apt-get install libpython3.12")

    def install(package: str) -> bool:
        machine.install("python3.12", "echo 3.12")
        return package == "libpython3.12"

    monkeypatch.setattr(setup, "_apt_install", install)
    assert machine.serving_python() == static


def test_without_any_python_that_can_serve_the_packages_are_named(
    machine: Machine, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.programs))
    monkeypatch.setattr(setup, "_apt_install", lambda package: False)
    in_python(setup, monkeypatch, 3, 13, 0)
    with pytest.raises(setup.SetupError, match=r"found neither(.|\n)*libpython3.11 \(Debian 12\)"):
        machine.serving_python()
