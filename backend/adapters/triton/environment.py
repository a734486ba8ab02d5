"""Where the embedded Triton lives: a small Python environment of its own, with NumPy below 2.

The wheel `nvidia-pytriton` ships `tritonserver`, its Python backend and one stub per Python version. The stub embeds
Python, so it needs the shared libpython of the very Python that made the environment; Debian packages that library
apart from the interpreter.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.errors import SetupError

OLDEST_GLIBC: Final = (2, 35)
MACHINES: Final = ("x86_64", "aarch64")
PYTHONS: Final = ((3, 11), (3, 12))

_CONTAINER = "Serve with the NVIDIA Triton container instead (it comes with docker compose)."
_MAKE = "Run `make run` or `make test`: both make it from requirements-serving.txt."


@dataclass(frozen=True, kw_only=True)
class ServingEnvironment:
    """Everything that starting Triton needs to find. `library_path` is what the stub's LD_LIBRARY_PATH must hold."""

    folder: Path
    python_version: tuple[int, int]
    tritonserver: Path
    python_backend: Path
    stub: Path
    library_path: tuple[Path, ...]

    def variables(self) -> dict[str, str]:
        """The whole environment of the server: no secret of the caller's, and no Python path but its own.

        The stub finds its Python through PATH alone.
        """
        return {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "LD_LIBRARY_PATH": ":".join(map(str, self.library_path)),
            "LC_ALL": "C.UTF-8",
            "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime reports to its maker by default since 1.29
        }


def locate(folder: Path) -> ServingEnvironment:
    """Find the server, its stub and their libraries in the environment at `folder`; takes about 0.1 s.

    Raises `SetupError`, which names what is missing and what mends it.
    """
    require_host(system=sys.platform, machine=platform.machine(), libc=platform.libc_ver())
    folder = folder.absolute()
    python = folder / "bin" / "python"
    if not python.exists():
        raise SetupError(f"The serving environment '{folder}' does not exist.", hint=_MAKE)
    facts = _ask(python)
    version = require_packages(folder, facts)
    triton = Path(facts["purelib"]) / "pytriton" / "tritonserver"
    stub = triton / "python_backend_stubs" / ".".join(map(str, version)) / "triton_python_backend_stub"
    server = triton / "bin" / "tritonserver"
    backend = triton / "backends" / "python"
    for needed in (server, stub, backend / "libtriton_python.so"):
        if not needed.exists():
            raise SetupError(
                f"The serving environment '{folder}' is incomplete: there is no '{needed.relative_to(triton)}'.",
                hint=f"Remove '{folder}'. {_MAKE}",
            )
    return ServingEnvironment(
        folder=folder,
        python_version=version,
        tritonserver=server,
        python_backend=backend,
        stub=stub,
        library_path=(Path(facts["purelib"]) / "nvidia_pytriton.libs", find_libpython(version, facts)),
    )


def require_host(*, system: str, machine: str, libc: tuple[str, str]) -> None:
    """Raise `SetupError` unless the wheel has binaries for this machine (manylinux_2_35, x86-64 and arm64)."""
    if system != "linux" or machine not in MACHINES:
        raise SetupError(
            f"The embedded Triton does not run on {system} {machine}; it needs Linux on {' or '.join(MACHINES)}.",
            hint=_CONTAINER,
        )
    name, text = libc
    parts = text.split(".")
    known = name == "glibc" and len(parts) >= 2 and all(part.isdigit() for part in parts[:2])
    if not known or (int(parts[0]), int(parts[1])) < OLDEST_GLIBC:
        raise SetupError(
            f"The embedded Triton needs glibc {OLDEST_GLIBC[0]}.{OLDEST_GLIBC[1]} or later; "
            f"this system has {f'{name} {text}'.strip() or 'another C library'}.",
            hint=f"Use Debian 12, Ubuntu 22.04 or later. {_CONTAINER}",
        )


def require_packages(folder: Path, facts: Mapping[str, str]) -> tuple[int, int]:
    """Raise `SetupError` unless the environment's Python and NumPy are ones that the stub works with."""
    major, minor = (int(part) for part in facts["version"].split("."))
    if (major, minor) not in PYTHONS:
        raise SetupError(
            f"The serving environment '{folder}' uses Python {major}.{minor}; NumPy 1.26 and Triton's stub "
            f"are both to be had for {' and '.join(f'{a}.{b}' for a, b in PYTHONS)} only.",
            hint=f"Remove '{folder}', install Python 3.11 or 3.12 (`uv python install 3.12`). {_MAKE}",
        )
    for package in ("numpy", "onnxruntime", "nvidia-pytriton"):
        if not facts[package]:
            raise SetupError(f"The serving environment '{folder}' lacks {package}.", hint=_MAKE)
    if int(facts["numpy"].split(".")[0]) >= 2:
        raise SetupError(
            f"The serving environment '{folder}' has NumPy {facts['numpy']}; "
            "Triton's stub misreads NumPy 2 and answers wrong classes.",
            hint=f"Remove '{folder}'. {_MAKE}",
        )
    return major, minor


def find_libpython(version: tuple[int, int], facts: Mapping[str, str]) -> Path:
    """The folder that holds the shared libpython, of this Python before any other of the same version.

    Raises `SetupError`: a Python linked statically (Debian's without `libpython3.N`, some builds of pyenv) has none.
    """
    name = f"libpython{version[0]}.{version[1]}.so.1.0"
    libdir = Path(facts["libdir"])
    folders = (libdir, libdir / facts["multiarch"], Path(facts["base_prefix"]) / "lib")
    for folder in folders:
        if (folder / name).exists():
            return folder
    raise SetupError(
        f"Triton's stub needs '{name}', and the Python at '{facts['base_prefix']}' has none in "
        f"{', '.join(sorted({str(folder) for folder in folders}))}.",
        hint=f"Debian, Ubuntu: `apt-get install libpython{version[0]}.{version[1]}`. Elsewhere: "
        "`uv python install 3.12`, then remove the serving environment and run `make run` again.",
    )


_QUESTION: Final = """
import importlib.metadata, json, sys, sysconfig
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "base_prefix": sys.base_prefix,
    "purelib": sysconfig.get_path("purelib"),
    "libdir": sysconfig.get_config_var("LIBDIR") or "",
    "multiarch": sysconfig.get_config_var("MULTIARCH") or "",
    **{name: version(name) for name in ("numpy", "onnxruntime", "nvidia-pytriton")},
}))
"""


def _ask(python: Path) -> dict[str, str]:
    try:
        answer = subprocess.run(
            [str(python), "-I", "-c", _QUESTION], capture_output=True, text=True, timeout=30, check=True, env={}
        )
        facts: dict[str, str] = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SetupError(
            f"The Python of the serving environment, '{python}', does not run: {error}.", hint=_MAKE
        ) from (error)
    return facts
