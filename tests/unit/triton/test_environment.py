from __future__ import annotations

from pathlib import Path

import pytest

from backend.adapters.triton.environment import find_libpython, locate, require_host, require_packages
from backend.errors import SetupError

PACKAGES = {"version": "3.11", "numpy": "1.26.4", "onnxruntime": "1.32.0", "nvidia-pytriton": "0.7.0"}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_recent_linux_on_either_processor_will_do(machine: str) -> None:
    require_host(system="linux", machine=machine, libc=("glibc", "2.35"))


@pytest.mark.parametrize(
    ("system", "machine", "libc", "said"),
    [
        ("darwin", "arm64", ("", ""), "does not run on darwin arm64"),
        ("linux", "riscv64", ("glibc", "2.40"), "does not run on linux riscv64"),
        ("linux", "x86_64", ("glibc", "2.31"), "needs glibc 2.35 or later; this system has glibc 2.31"),
        ("linux", "x86_64", ("", ""), "another C library"),
    ],
)
def test_other_machines_are_pointed_to_the_container(
    system: str, machine: str, libc: tuple[str, str], said: str
) -> None:
    with pytest.raises(SetupError, match=said) as caught:
        require_host(system=system, machine=machine, libc=libc)
    assert "container" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "3.13"}, "uses Python 3.13"),
        ({"numpy": "2.4.6"}, "NumPy 2.4.6"),
        ({"numpy": ""}, "lacks numpy"),
        ({"nvidia-pytriton": ""}, "lacks nvidia-pytriton"),
    ],
)
def test_wrong_packages_are_named(change: dict[str, str], said: str) -> None:
    assert require_packages(Path("env"), PACKAGES) == (3, 11)
    with pytest.raises(SetupError, match=said):
        require_packages(Path("env"), {**PACKAGES, **change})


@pytest.mark.parametrize("where", ["libdir", "libdir/x86_64-linux-gnu", "prefix/lib"])
def test_libpython_is_found_where_distributions_put_it(tmp_path: Path, where: str) -> None:
    facts = {
        "libdir": str(tmp_path / "libdir"),
        "multiarch": "x86_64-linux-gnu",
        "base_prefix": str(tmp_path / "prefix"),
    }
    (tmp_path / where).mkdir(parents=True)
    (tmp_path / where / "libpython3.12.so.1.0").touch()
    assert find_libpython((3, 12), facts) == tmp_path / where
    with pytest.raises(SetupError, match=r"libpython3\.11\.so\.1\.0") as caught:
        find_libpython((3, 11), facts)
    assert "apt-get install libpython3.11" in caught.value.hint


def test_an_environment_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="does not exist") as caught:
        locate(tmp_path)
    assert "make run" in caught.value.hint


def test_a_broken_environment_says_so(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(SetupError, match="does not run"):
        locate(tmp_path)
