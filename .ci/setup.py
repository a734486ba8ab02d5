"""Make everything that `make run` and `make test` need; does nothing, in milliseconds, when nothing changed.

    python3 .ci/setup.py run      the dashboard's environment and the serving environment
    python3 .ci/setup.py test     these, the development tools and a Chromium
    python3 .ci/setup.py deploy   the dashboard's environment alone, for commands that deploy to AWS

Standard library only: it runs on a bare machine, with the system's Python. What was made is remembered as a digest of
what it was made from (`<environment>/.made-from`), written last. An environment without it was interrupted and is made
anew from what was downloaded already: uv does not notice a half-written package.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
SERVING = ROOT / ".venv-serving"
UV = VENV / "bin" / "uv"
UV_VERSION = "0.13.9"
# Preferred first: Python 3.12 and 3.11 can serve as well, 3.13 needs one of them beside it.
PYTHONS = ((3, 12), (3, 11), (3, 13))
SERVING_PYTHONS = ((3, 12), (3, 11))
OLDEST_GLIBC = (2, 35)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class SetupError(Exception):
    """What is missing and what mends it, in words for the person at the terminal."""


def main(arguments: Sequence[str]) -> int:
    wanted = arguments[0] if arguments else "run"
    try:
        _use_supported_python()
        with (ROOT / ".setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            dashboard_environment()
            if wanted != "deploy":
                serving_environment()
            if wanted == "test":
                development_tools()
                browser()
    except SetupError as error:
        print(f"\nset-up stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up interrupted; the next one goes on from what was downloaded", file=sys.stderr)
        return 130
    return 0


def _use_supported_python() -> None:
    """Go on in this interpreter, or in another one of this machine that TensorFlow has wheels for."""
    if sys.version_info[:2] in PYTHONS:
        return
    for version in PYTHONS:
        found = _find_python(version)
        # Without the venv module it would get no further than this one.
        if found and _runs(found, "import ensurepip, venv"):
            os.execv(found, [found, *sys.argv])
    raise SetupError(
        f"this is Python {platform.python_version()}; the dashboard needs 3.11, 3.12 or 3.13 "
        "(TensorFlow 2.21 has no wheel for any other).\n"
        "Install one of them with its venv module (Debian, Ubuntu: apt-get install python3.12 python3.12-venv), "
        "or name one: make PYTHON=/path/to/python3.12 run"
    )


def dashboard_environment() -> None:
    source = _digest(sys.version, UV_VERSION, (ROOT / "requirements.txt").read_text())

    def make() -> None:
        if not _is_whole(VENV) or _version(str(VENV / "bin" / "python")) != _version(sys.executable):
            shutil.rmtree(VENV, ignore_errors=True)
            _call([sys.executable, "-m", "venv", str(VENV)], hint=_venv_hint())
        _begin(VENV)
        _call([str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}"])
        _install(VENV, "requirements.txt")

    _once(VENV / ".made-from", source, "dashboard environment (TensorFlow is large: some minutes)", make)


def development_tools() -> None:
    source = _digest(sys.version, (ROOT / "requirements.txt").read_text(), (ROOT / "requirements-dev.txt").read_text())

    def make() -> None:
        # Into the dashboard's environment: until they are there, that one counts as interrupted too.
        dashboard = (VENV / ".made-from").read_text()
        _begin(VENV)
        _install(VENV, "requirements-dev.txt")
        (VENV / ".made-from").write_text(dashboard)

    _once(VENV / ".made-from-dev", source, "development tools", make)


def serving_environment() -> None:
    """The embedded Triton's own small environment; NumPy below 2 has wheels for Python 3.11 and 3.12 only."""
    reason = why_no_triton(platform.system(), platform.machine(), platform.libc_ver())
    if reason:
        print(f"no embedded Triton: {reason}", file=sys.stderr)
        return
    source = _digest((ROOT / "requirements-serving.txt").read_text())

    def make() -> None:
        _begin(SERVING)
        shutil.rmtree(SERVING, ignore_errors=True)
        _call([str(UV), "venv", "--quiet", "--python", _serving_python(), str(SERVING)])
        # pytriton declares a web framework that its server binary does not need.
        _install(SERVING, "requirements-serving.txt", "--no-deps")

    _once(SERVING / ".made-from", source, "serving environment (Triton)", make)


def why_no_triton(system: str, machine: str, libc: tuple[str, str]) -> str:
    """Empty where the embedded Triton runs; else the reason and the way out."""
    way_out = "Training works; to serve, run NVIDIA's Triton container, or use Linux."
    if system != "Linux" or machine not in ("x86_64", "aarch64"):
        return f"it is built for Linux on x86-64 and arm64, this is {system} on {machine}. {way_out}"
    name, version = libc
    if name != "glibc" or tuple(int(part) for part in version.split(".")[:2]) < OLDEST_GLIBC:
        return f"it needs glibc 2.35 or later, this is {name or 'another C library'} {version}. {way_out}"
    return ""


def _serving_python() -> str:
    """A Python 3.11 or 3.12 that comes with its shared library, which Triton's Python stub links to."""
    here = [sys.executable] if sys.version_info[:2] in SERVING_PYTHONS else []
    here += [found for version in SERVING_PYTHONS if (found := _find_python(version))]
    if whole := next(filter(_has_shared_library, here), ""):
        return whole
    if _succeeds([str(UV), "python", "install", "--quiet", "3.12"]):
        return "3.12"
    # Debian and Ubuntu package the library apart from the interpreter.
    libraries = sorted({f"libpython{_version(python)}" for python in here})
    for library in libraries:
        if _apt_install(library) and (whole := next(filter(_has_shared_library, here), "")):
            return whole
    found, packages = "found neither", "python3.11 libpython3.11 (Debian 12), python3.12 libpython3.12 (Ubuntu 24.04)"
    if here:
        found, packages = f"found {', '.join(here)} without it", libraries[-1]
    raise SetupError(
        f"the embedded Triton needs Python 3.11 or 3.12 with its shared library; {found}, and none could be fetched.\n"
        f"Debian, Ubuntu: apt-get install {packages}"
    )


def _find_python(version: tuple[int, int]) -> str:
    """Path of a Python of this version that runs (a version manager's shim may refuse); empty when none is here."""
    name = f"{version[0]}.{version[1]}"
    found = shutil.which(f"python{name}")
    return found if found and _version(found) == name else ""


def _has_shared_library(python: str) -> bool:
    return _runs(
        python,
        "import ctypes, sys, sysconfig, pathlib\n"
        "name = 'libpython%d.%d.so.1.0' % sys.version_info[:2]\n"
        "where = pathlib.Path(sysconfig.get_config_var('LIBDIR') or '/nowhere') / name\n"
        "ctypes.CDLL(str(where) if where.exists() else name)",
    )


def browser() -> None:
    """A Chromium for the end-to-end tests: the machine's own, or Debian's package, or Playwright's build."""
    if find_chromium():
        return
    if _apt_install("chromium") and find_chromium():
        return
    print("downloading Playwright's Chromium for the browser tests", flush=True)
    own = [str(VENV / "bin" / "playwright"), "install", "chromium"]
    if subprocess.run(own, check=False, stdout=subprocess.DEVNULL).returncode == 0 and find_chromium():
        return
    raise SetupError(
        "the browser tests need Chromium and it could not be installed.\n"
        "Debian: apt-get install chromium. Elsewhere: .venv/bin/playwright install --with-deps chromium, "
        "or name one: CHROMIUM=/path/to/chrome make test"
    )


def find_chromium() -> str:
    """Path of a Chromium or Chrome that starts; empty when there is none. `CHROMIUM` in the environment names one.

    Raises `SetupError` when the one that is named does not start.
    """
    named = os.environ.get("CHROMIUM", "")
    if named:
        if not _prints_version(named):
            raise SetupError(f"CHROMIUM names '{named}', which does not start.")
        return named
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    installed = [found for name in CHROMIUMS if (found := shutil.which(name))]
    downloaded = map(str, sorted(cache.glob("chromium-*/chrome-linux*/chrome"), reverse=True))
    # Ubuntu's `chromium-browser` is a stub that asks for snap, a download may lack libraries: a browser says its name.
    return next(filter(_prints_version, [*installed, *downloaded]), "")


def _prints_version(program: str) -> bool:
    return _succeeds([program, "--version"])


def _apt_install(package: str) -> bool:
    """False where that is not for this program to do (no apt-get, not root), and when it failed."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"installing {package} with apt-get", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=False, env=environment)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    return subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL).returncode == 0


def _once(stamp: Path, source: str, what: str, make: Callable[[], None]) -> None:
    if _is_whole(stamp.parent) and stamp.is_file() and stamp.read_text() == source:
        return
    print(f"setting up: {what}", flush=True)
    begun = time.monotonic()
    make()
    stamp.write_text(source)
    print(f"done in {time.monotonic() - begun:.0f} s", flush=True)


def _is_whole(environment: Path) -> bool:
    """Made to the end once, of a Python that is still there (an upgrade of the system may have removed it)."""
    return (environment / ".made-from").is_file() and (environment / "bin" / "python").exists()


def _begin(environment: Path) -> None:
    (environment / ".made-from").unlink(missing_ok=True)


def _install(environment: Path, requirements: str, *options: str) -> None:
    # Byte code now: every training is a new process, and without it TensorFlow takes 10 s longer to import in each.
    command = [str(UV), "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    _call([*command, "--compile-bytecode", *options, "-r", str(ROOT / requirements)])


def _call(
    command: Sequence[str], hint: str = "Check the network and the disk, then run the same command again."
) -> None:
    if subprocess.run(command, check=False, cwd=ROOT).returncode != 0:
        raise SetupError(f"'{' '.join(command)}' failed.\n{hint}")


def _venv_hint() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"If it says that ensurepip is missing: apt-get install python{version}-venv"


def _version(python: str) -> str:
    """Such as '3.12'; empty when it does not run."""
    try:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _runs(python: str, code: str) -> bool:
    return _succeeds([python, "-c", code])


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
