from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from backend.adapters.triton import server
from backend.adapters.triton.environment import ServingEnvironment
from backend.adapters.triton.server import (
    STUB,
    Ports,
    command_line,
    end_orphaned_stubs,
    free_ports,
    remove_shared_memory_leftovers,
)

PORTS = Ports(http=1, grpc=2, metrics=3)


@pytest.fixture
def environment(tmp_path: Path) -> ServingEnvironment:
    backend = tmp_path / "wheel" / "python"
    backend.mkdir(parents=True)
    (backend / "libtriton_python.so").write_bytes(b"library")
    stub = tmp_path / "wheel" / "triton_python_backend_stub"
    stub.write_bytes(b"stub")
    return ServingEnvironment(
        folder=tmp_path / "env",
        python_version=(3, 11),
        tritonserver=tmp_path / "tritonserver",
        python_backend=backend,
        stub=stub,
        library_path=(Path("/a"), Path("/b")),
    )


def test_all_three_ports_are_bound_to_the_loopback_interface(environment: ServingEnvironment) -> None:
    arguments = command_line(
        environment, repository=Path("/r"), backends=Path("/b"), ports=PORTS, server_id="digit-classification-prod-1"
    )
    assert {argument for argument in arguments if "-address" in argument or "-port" in argument} == {
        "--http-address=127.0.0.1",
        "--http-port=1",
        "--grpc-address=127.0.0.1",
        "--grpc-port=2",
        "--metrics-address=127.0.0.1",
        "--metrics-port=3",
    }
    assert "--model-control-mode=explicit" in arguments
    assert not any("load-model" in argument for argument in arguments)


def test_nothing_of_the_callers_environment_reaches_the_server(
    environment: ServingEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    variables = environment.variables()
    assert variables["LD_LIBRARY_PATH"] == "/a:/b"
    assert variables["PATH"].startswith(f"{environment.folder}/bin:")
    assert not {"WANDB_API_KEY", "PYTHONPATH"} & variables.keys()


def test_the_backends_are_laid_out_as_triton_expects(environment: ServingEnvironment, tmp_path: Path) -> None:
    folder = tmp_path / "backends"
    (folder / "old").mkdir(parents=True)
    server.install_backends(environment, folder)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"python/libtriton_python.so", "python/triton_python_backend_stub", "onnxruntime/model.py"}
    assert os.access(folder / "python" / "triton_python_backend_stub", os.X_OK)


def test_only_old_regions_that_nobody_maps_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SHARED_MEMORY", tmp_path)
    long_ago = time.time() - 60
    for name in ("old", "mapped", "young"):
        (tmp_path / f"triton_onnxruntime_backend_shm_region_{name}").touch()
    (tmp_path / "somebody_elses").touch()
    for path in tmp_path.iterdir():
        if not path.name.endswith("young"):
            os.utime(path, (long_ago, long_ago))
    mapped = tmp_path / "triton_onnxruntime_backend_shm_region_mapped"
    monkeypatch.setattr(server, "_regions_of", lambda _: {mapped})
    removed = remove_shared_memory_leftovers()
    assert [path.name for path in removed] == ["triton_onnxruntime_backend_shm_region_old"]
    assert len(list(tmp_path.iterdir())) == 3


def test_free_ports_are_three(environment: ServingEnvironment) -> None:
    ports = free_ports()
    assert len({port for port in ports.all if 1024 < port < 65536}) == 3


def test_killing_the_server_ends_a_stub_that_waits_for_it_for_ever() -> None:
    # Like a stub whose queue's lock died with the server: SIGTERM does nothing, nobody tells it of the death.
    stub = "trap '' TERM; echo $$; exec sleep 60"
    process = subprocess.Popen(
        ["sh", "-c", f'sh -c "{stub.replace("$", chr(92) + "$")}" & wait'], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    server.kill(process)
    process.stdout.close()
    assert _ended(pid)


def test_only_stubs_from_this_folder_are_orphans(tmp_path: Path) -> None:
    def stub_from(folder: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([str(tmp_path / folder / "python" / STUB), "60"], executable="/bin/sleep")

    with stub_from("ours") as ours, stub_from("others") as others:
        try:
            deadline = time.monotonic() + 5  # until it is exec'ed it has our own command line
            while not (ended := end_orphaned_stubs(tmp_path / "ours")):
                assert time.monotonic() < deadline
            assert ended == [ours.pid]
            assert ours.wait(5) == -9
            assert others.poll() is None
        finally:
            ours.kill()
            others.kill()
    assert end_orphaned_stubs(tmp_path / "ours") == []


def _ended(pid: int) -> bool:
    """Within a second: whoever inherited the process has to look at it first."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
    return False
