"""SageMaker's container contract: where a training reads and writes, and how it says why it failed.

See https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html and, for the variables,
https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LONGEST_REASON = 1024
"""SageMaker keeps no more of the failure file than this."""


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where the results go: `model` becomes model.tar.gz, `output_data` output.tar.gz."""

    model: Path
    output_data: Path
    output: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Folders:
        """SageMaker's folders; outside a container, `model` and `output` under the working directory."""
        output = Path(environ.get("SM_OUTPUT_DIR", "output"))
        return cls(
            model=Path(environ.get("SM_MODEL_DIR", "model")),
            output_data=Path(environ.get("SM_OUTPUT_DATA_DIR", output / "data")),
            output=output,
        )

    def write_failure(self, reason: str) -> None:
        """Leave the reason where the platform looks for it: one paragraph in the file `failure`."""
        self.output.mkdir(parents=True, exist_ok=True)
        (self.output / "failure").write_text(" ".join(reason.split())[:_LONGEST_REASON] + "\n", encoding="utf-8")
