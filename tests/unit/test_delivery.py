"""Dockerfile, Compose, workflows, hooks and pins: what must hold of them whoever edits them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.adapters.triton.environment import ServingEnvironment
from backend.adapters.triton.server import Ports, command_line
from backend.domain.serving import Stage
from backend.settings import ROOT, Settings

DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
OURS = ("dashboard", "lab")
TRITONS = ("triton-staging", "triton-prod")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\b")


def stages() -> dict[str, str]:
    """The text of each stage of the Dockerfile, by name."""
    found = re.split(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    return dict(zip(found[2::3], found[3::3], strict=True))


def test_every_base_is_pinned_or_a_stage_of_ours() -> None:
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert bases <= {"${PYTHON_IMAGE}", *stages()}
    image = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(image) == 1 and DIGEST.search(image[0])


@pytest.mark.parametrize("target", ["dashboard", "lab", "trainer"])
def test_an_image_runs_as_nobody_under_an_init(target: str) -> None:
    assert f"FROM runtime AS {target}\n" in DOCKERFILE
    assert "USER 10001:0" in stages()["runtime"]
    assert "USER" not in re.findall(r"^[A-Z]+", stages()[target], re.MULTILINE)
    assert 'ENTRYPOINT ["tini", "--"' in stages()["runtime"]
    assert not re.search(r"\b(gcc|build-essential|g\+\+)\b", DOCKERFILE)


def test_the_dashboard_is_built_when_no_target_is_named() -> None:
    assert list(stages())[-1] == "dashboard"


def test_what_is_copied_is_sent_to_the_builder() -> None:
    sent = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    for source in (source for sources in copied for source in sources):
        assert (ROOT / source).exists(), source
        assert any(source == path or source.startswith(f"{path}/") for path in sent), source


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_locked_down_and_know_their_settings(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    aws = [volume for volume in service["volumes"] if isinstance(volume, dict)]
    assert [volume["read_only"] for volume in aws] == [True]
    settings = {str(field.alias) for field in Settings.model_fields.values()}
    assert set(service["environment"]) <= settings
    given = Settings(_env_file=None, **{name: value for name, value in service["environment"].items() if value})
    assert given.triton_repository == Path("/models")
    assert [given.triton_url(stage) for stage in Stage] == [f"http://{triton}:8000" for triton in TRITONS]


@pytest.mark.parametrize("name", TRITONS)
def test_a_triton_of_composes_is_run_as_the_embedded_one_is(name: str, tmp_path: Path) -> None:
    """But for what a container has anyway: its backends, its addresses and its ports."""
    stage = name.removeprefix("triton-")
    environment = ServingEnvironment(
        folder=tmp_path,
        python_version=(3, 12),
        tritonserver=Path("tritonserver"),
        python_backend=tmp_path,
        stub=tmp_path,
        library_path=(),
    )
    ours = command_line(
        environment,
        repository=Path("/models") / stage,
        backends=tmp_path,
        ports=Ports(http=1, grpc=2, metrics=3),
        server_id=f"digit-classification-{stage}",
    )
    kept = [word for word in ours if not re.match(r"--(backend-directory|\w+-address|\w+-port)=", word)]
    assert sorted(SERVICES[name]["command"]) == sorted(kept)
    assert DIGEST.search(SERVICES[name]["image"])
    volume = SERVICES[name]["volumes"][0]
    assert (volume["target"], volume["read_only"]) == ("/models", True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_permissions_are_given_job_by_job(path: Path) -> None:
    text = path.read_text()
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) or name.startswith("./") for name, _ in uses)
    assert all(re.fullmatch(r" # v\d+(\.\d+)*", comment) for name, comment in uses if not name.startswith("./"))
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert all("permissions" in job and "timeout-minutes" in job for job in workflow["jobs"].values())
    assert "pull_request_target" not in text


def test_hooks_are_local_and_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_what_is_pinned_twice_is_pinned_alike() -> None:
    def pins(name: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in (ROOT / name).read_text().splitlines():
            if match := re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", line):
                found.setdefault(match[1].lower(), set()).add(match[2])
        return found

    product = pins("requirements.txt")
    for other in (pins("requirements-dev.txt"), pins("requirements-lab.txt")):
        assert {name: other[name] for name in other.keys() & product.keys() if not other[name] <= product[name]} == {}
