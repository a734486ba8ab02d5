"""The three images, built from the Dockerfile and run as docker-compose.yaml says, where no Docker engine is at hand.

`python -m tests.campaign.container_images` (as root, with Debian's `buildah` and `debootstrap`) builds every target
with buildah, in a chroot, on a Debian that it makes with debootstrap and the Python that runs this. Then each is run:
its own entry point and command, as its own user, with no capability, on a root that is read-only. The stages are served
by two Tritons with the very arguments of docker-compose.yaml, over a shared folder. `docs/reliability.md` gets what was
seen. What is not shown: that image of NVIDIA's, whose native ONNX Runtime backend ours stands for, and Docker itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from backend.adapters.triton import server
from backend.adapters.triton.environment import locate
from tests.bench.report import ROOT, write_section
from tests.campaign.switch import RELIABILITY
from tests.e2e.conftest import free_port

WORK: Final = Path(os.environ.get("DIGITS_IMAGES", "/var/tmp/digits-images"))
"""Some 10 GB; kept for the next time."""
BASE: Final = "localhost/python:clean"
TARGETS: Final = ("trainer", "dashboard", "lab")
USER: Final = 10001
BUILDAH: Final = ("buildah", "--storage-driver=overlay", f"--root={WORK / 'storage'}", f"--runroot={WORK / 'run'}")
COMPILERS: Final = ("cc", "gcc", "g++", "ld", "as", "make")
PORTS: Final = {"staging": 18100, "prod": 18110}


def main() -> None:
    for tool in ("buildah", "debootstrap", "setpriv", "unshare"):
        if os.geteuid() != 0 or not shutil.which(tool):
            sys.exit(f"This needs root and '{tool}': apt-get install buildah debootstrap util-linux")
    rows: dict[str, str] = {}
    make_base()
    for target in TARGETS:
        begun = time.monotonic()
        how = ("--isolation=chroot", "--format=docker", "--layers", "--pull-never", f"--build-arg=PYTHON_IMAGE={BASE}")
        buildah("build", *how, f"--target={target}", f"--tag=digit-ops-{target}", str(ROOT))
        rows[f"{target}: built by the Dockerfile's own steps"] = f"in {time.monotonic() - begun:.0f} s"
    with mounted("trainer") as image:
        rows |= look_into(image) | try_trainer(image)
    with mounted("lab") as image:
        rows |= look_into(image) | try_lab(image)
    with mounted("dashboard") as image:
        rows |= look_into(image) | try_dashboard(image)
    write_section("Container images", rows, path=RELIABILITY)


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image, mounted at `root`, and what it says about how it is run."""

    target: str
    root: Path
    environment: Mapping[str, str]
    command: Sequence[str]
    health: Sequence[str]
    folder: str
    user: str

    @contextmanager
    def running(
        self, *arguments: str, volumes: Mapping[str, Path], environment: Mapping[str, str] | None = None
    ) -> Iterator[Container]:
        """Its own command with `arguments`, run as compose does; all that it starts ends with the block."""
        binds = [["mount", "--bind", path, f"{self.root}{inside}"] for inside, path in volumes.items()]
        steps = [
            ["mount", "--bind", self.root, self.root],
            ["mount", "-o", "remount,bind,ro", self.root],
            *binds,
            ["mount", "-t", "tmpfs", "tmpfs", self.root / "tmp"],
            ["mount", "--rbind", "/dev", self.root / "dev"],
            ["mount", "-t", "proc", "proc", self.root / "proc"],
            ["exec", *self.inside(*self.command, *arguments)],
        ]
        script = " && ".join(shlex.join(map(str, step)) for step in steps)
        log = WORK / f"{self.target}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                env={**self.environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        container = Container(image=self, process=process, log=log, environment=environment or {})
        with ended(process):
            try:
                yield container
            finally:
                container.end()

    def inside(self, *command: str) -> list[str]:
        """`command` in the image's folder, as its user, with no capability and no way to get one."""
        user = [f"--reuid={USER}", "--regid=0", "--clear-groups"]
        bare = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        return ["chroot", str(self.root), "setpriv", *user, *bare, "env", "-C", self.folder, *command]


@dataclass(frozen=True, kw_only=True)
class Container:
    """A running image."""

    image: Image
    process: subprocess.Popen[bytes]
    log: Path
    environment: Mapping[str, str]

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` in it, as `docker exec` does."""
        first = ""
        while not first:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            first = self._first()
        return subprocess.run(
            ["nsenter", f"--target={first}", "--mount", "--pid", *self.image.inside(*command)],
            env={**self.image.environment, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def end(self) -> None:
        """Kill the first of its process namespace: the kernel ends all others with it.

        Ending `unshare` is not enough: a process that changes its user no longer dies with its parent.
        """
        if first := self._first():
            os.kill(int(first), signal.SIGKILL)

    def _first(self) -> str:
        """The process id of its init; empty while there is none, and when it has ended."""
        with contextlib.suppress(FileNotFoundError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return children[0] if children else ""
        return ""

    def command(self, *arguments: str) -> Any:
        """The document that `python -m backend <arguments> --json` prints."""
        done = self.execute("python", "-m", "backend", *arguments, "--json")
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]} {done.stderr[-3000:]}"
        return json.loads(done.stdout)

    def healthy(self) -> float:
        """Seconds until the image's own health check passes."""
        begun = time.monotonic()
        while self.execute(*self.image.health).returncode != 0:
            assert self.process.poll() is None and time.monotonic() - begun < 120, self.log.read_text()[-3000:]
            time.sleep(0.5)
        return time.monotonic() - begun


def buildah(*arguments: str) -> str:
    done = subprocess.run([*BUILDAH, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def make_base() -> None:
    """What stands for `python:3.x-slim`: Debian bookworm without a compiler, and the Python that runs this."""
    if BASE in buildah("images", "--format={{.Name}}:{{.Tag}}").splitlines():
        return
    root = WORK / "base"
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    mirror = os.environ.get("DEBIAN_MIRROR", "")
    include = (
        "--include=ca-certificates,libssl3,libsqlite3-0,libffi8,libbz2-1.0,liblzma5,libreadline8,libexpat1,libuuid1"
    )
    subprocess.run(["debootstrap", "--variant=minbase", include, "bookworm", root, *filter(None, [mirror])], check=True)
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(sys.base_prefix, root / "usr" / "local", symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(root / "usr" / "local" / "lib" / own / "site-packages")
    for name in ("python", "python3"):
        link = root / "usr" / "local" / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(own)
    # How this machine reaches the registries is no business of the images.
    for file in ("etc/resolv.conf", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", file).is_file():
            shutil.copy(Path("/", file), root / file)
    for command in (["ldconfig"], [own, "-m", "ensurepip"]):
        subprocess.run(["chroot", root, *command], check=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin:/sbin"})
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(root), "/")
    certificates = "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    path = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    buildah("config", f"--env={path}", f"--env={certificates}", container)
    buildah("commit", "--quiet", "--rm", container, BASE)


@contextmanager
def mounted(target: str) -> Iterator[Image]:
    container = buildah("from", "--pull-never", f"localhost/digit-ops-{target}")
    try:
        config = json.loads(buildah("inspect", container))["Docker"]["config"]
        yield Image(
            target=target,
            root=Path(buildah("mount", container)),
            environment=dict(entry.split("=", 1) for entry in config["Env"]),
            command=[*config["Entrypoint"], *(config["Cmd"] or [])],
            health=(config.get("Healthcheck") or {}).get("Test", ["NONE"])[1:],
            folder=config["WorkingDir"],
            user=config["User"],
        )
    finally:
        buildah("rm", container)


def look_into(image: Image) -> dict[str, str]:
    """Who it runs as, that it has no compiler, that the code is compiled and nobody but root may change it."""
    assert image.user == f"{USER}:0", image.user
    found = [
        name for name in COMPILERS for folder in ("usr/bin", "usr/local/bin") if (image.root / folder / name).exists()
    ]
    assert found == [], found
    code = image.root / image.folder.lstrip("/")
    sources = [path for path in (code / "backend").rglob("*.py") if "backend_onnxruntime" not in path.parts]
    uncompiled = [path for path in sources if not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))]
    assert uncompiled == [], uncompiled[:3]
    writable = [path for path in code.rglob("*") if not path.is_symlink() and path.stat().st_uid != 0]
    assert writable == [], writable[:3]
    return {f"{image.target}: user, compilers, byte code": f"{USER}:0, none, {len(sources)} of {len(sources)} files"}


def try_trainer(image: Image) -> dict[str, str]:
    out = fresh("trainer")
    with image.running("--dataset", "digits8x8", "--epochs", "1", volumes={"/opt/ml": out}) as container:
        assert container.process.wait(300) == 0, container.log.read_text()[-3000:]
    model = out / "model" / "mnist" / "1" / "model.onnx"
    return {"trainer: read-only, one epoch on the 8x8 digits": f"a model of {model.stat().st_size / 1e3:.0f} kB"}


def try_lab(image: Image) -> dict[str, str]:
    with image.running(volumes={"/data": fresh("lab")}) as container:
        seconds = container.healthy()
        assert container.execute("touch", "/opt/digits/written").returncode != 0
    return {"lab: read-only, healthy": f"after {seconds:.1f} s"}


def try_dashboard(image: Image) -> dict[str, str]:
    models = fresh("models")
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    environment = {name: str(value) for name, value in compose["dashboard"]["environment"].items()}
    environment |= {"DIGITS_PORT": str(free_port()), "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"}
    for stage, port in PORTS.items():
        environment[f"DIGITS_TRITON_{stage.upper()}_URL"] = f"http://127.0.0.1:{port}"
        (models / stage).mkdir()
        os.chown(models / stage, USER, 0)
    rows = {}
    with ExitStack() as started:
        for stage, port in PORTS.items():
            started.enter_context(ended(triton(compose[f"triton-{stage}"], models, port)))
        volumes = {"/data": fresh("state"), "/models": models}
        container = started.enter_context(image.running(volumes=volumes, environment=environment))
        rows["dashboard: read-only, healthy"] = f"after {container.healthy():.1f} s"
        assert container.execute("touch", "/opt/digits/written").returncode != 0
        done = container.command("quickstart")
        rows["dashboard: quick start to two Tritons with the arguments of docker-compose.yaml"] = (
            f"version {done['version']} serves on both stages after {done['seconds']:.0f} s"
        )
        for endpoint in container.command("endpoints"):
            assert endpoint["served"] == endpoint["wanted"], endpoint
            assert endpoint["url"] == f"http://127.0.0.1:{PORTS[endpoint['stage']]}", endpoint
        checks = container.command("doctor")["checks"]
        rows["dashboard: doctor"] = f"{len(checks)} of {len(checks)} checks are well"
    return rows


def triton(service: Mapping[str, Any], models: Path, port: int) -> subprocess.Popen[bytes]:
    """A server with the service's arguments, and ports that are free here; it stands for NVIDIA's container."""
    environment = locate(ROOT / ".venv-serving")
    backends = WORK / f"backends-{port}"
    server.install_backends(environment, backends)
    program, *arguments = service["command"]
    assert program == "tritonserver"
    arguments = [argument.replace("=/models/", f"={models}/") for argument in arguments]
    own = [f"--backend-directory={backends}"]
    own += [f"--{kind}-address=127.0.0.1" for kind in ("http", "grpc", "metrics")]
    own += [f"--{kind}-port={port + offset}" for offset, kind in enumerate(("http", "grpc", "metrics"))]
    with (WORK / f"triton-{port}.log").open("ab") as log:
        return subprocess.Popen(
            [str(environment.tritonserver), *arguments, *own], env=environment.variables(), stdout=log, stderr=log
        )


def fresh(name: str) -> Path:
    """An empty volume that belongs to the image's user."""
    folder = WORK / "volumes" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chown(folder, USER, 0)
    return folder


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """With the block the process ends."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
