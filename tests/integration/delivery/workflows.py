"""The workflows under .github/workflows, run as far as they are the product's: their own `run` lines, in bash.

Expressions (`${{ ... }}`) are looked up in what a test says of the event; one that it does not know fails the test.
What another action would do (check out, become a role) has been done by the test.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github" / "workflows"
PYTHON = ".venv/bin/python"
_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


def workflow(name: str) -> Mapping[str, Any]:
    """The parsed file; YAML 1.1 reads the key `on` as true."""
    document = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    document["on"] = document.pop(True)
    return document


def commands(name: str, job: str) -> Sequence[Mapping[str, Any]]:
    """The job's steps that call the product, in order."""
    return [step for step in workflow(name)["jobs"][job]["steps"] if f"{PYTHON} -m backend" in step.get("run", "")]


@dataclass
class Ran:
    """One step: exit code and what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Runner:
    """A checkout in which steps run. `environment` is what the account, or this machine, has for them."""

    checkout: Path
    environment: Mapping[str, str]
    outputs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shim = self.checkout / PYTHON
        shim.parent.mkdir(parents=True, exist_ok=True)
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        shim.chmod(0o755)
        self.summary = self.checkout.parent / "summary.md"
        self._outputs = self.checkout.parent / "outputs"

    def job(self, name: str, job: str, context: Mapping[str, str]) -> list[Ran]:
        """Run the job's commands as GitHub does: the first that fails ends it, but for steps that run all the same."""
        told = workflow(name)["jobs"][job]
        self.summary.unlink(missing_ok=True)
        self._outputs.write_text("")
        ran: list[Ran] = []
        for step in commands(name, job):
            failed = bool(ran) and any(one.code for one in ran)
            if failed and "!cancelled()" not in str(step.get("if", "")):
                continue
            ran.append(self._step(step, {**told["env"], **step.get("env", {})}, context))
        self.outputs = dict(line.split("=", 1) for line in self._outputs.read_text().splitlines())
        return ran

    def _step(self, step: Mapping[str, Any], env: Mapping[str, str], context: Mapping[str, str]) -> Ran:
        given = {name: _EXPRESSION.sub(lambda match: context[match[1]], str(value)) for name, value in env.items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.checkout,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "GITHUB_OUTPUT": str(self._outputs),
                "GITHUB_ACTIONS": "true",
                "GITHUB_TRIGGERING_ACTOR": "ada",
                **given,
                **self.environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


class Repository:
    """A git repository with the model configuration, as a checkout has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "models" / "digit_classification.yaml"
        self.config.parent.mkdir(parents=True)
        self.config.write_text((ROOT / "models" / "digit_classification.yaml").read_text())
        self._git("init", "--quiet", "--initial-branch", "main")
        self.commit("Begin")

    def commit(self, message: str) -> str:
        self._git("add", "models")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.head()

    def head(self) -> str:
        return self._git("rev-parse", "HEAD").strip()

    def branch(self, name: str) -> None:
        self._git("switch", "--quiet", "--create", name, "main")

    def merge(self, name: str) -> str:
        """Into main; what was main's head before."""
        before = self._git("rev-parse", "main").strip()
        self._git("switch", "--quiet", "main")
        self._git("merge", "--quiet", "--no-ff", "--message", f"Merge {name}", name)
        return before

    def declare(self, **values: str) -> None:
        text = self.config.read_text()
        for key, value in values.items():
            text = re.sub(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
        self.config.write_text(text)

    def _git(self, *words: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.folder), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
