"""What the builders of verbs take, and the words that several of them offer."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from typing import Final, TypeAlias

from backend.domain.serving import Stage

Verbs: TypeAlias = "_SubParsersAction[ArgumentParser]"
"""Where a verb is added."""
STAGES: Final = [stage.value for stage in Stage]
