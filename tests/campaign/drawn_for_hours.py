"""Hundred thousand predictions on the Draw page: the dashboard's server takes no more memory at the end than early on.

`python -m tests.campaign.drawn_for_hours [--predictions N]` writes what was seen to `docs/reliability.md`. Sessions
draw over Streamlit's protocol without a pause, against real staging and prod Tritons; each stroke is two predictions.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.drawing import drawings, served
from tests.bench.report import write_section
from tests.bench.sessions import Visitor
from tests.campaign.switch import RELIABILITY

PREDICTIONS: Final = 100_000
SESSIONS: Final = 8
STAGES: Final = 2
LOOKS: Final = 40
"""At the memory, evenly over all the predictions."""
WARM: Final = 0.2
"""Share of the predictions after which the server has everything that it keeps anyway."""
MOST_GROWTH_MB: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Endurance:
    """Resident megabytes of the server after so many predictions, in order; and what it took."""

    looks: Sequence[tuple[int, float]]
    predictions: int
    seconds: float

    @property
    def settled(self) -> Sequence[float]:
        return [mb for count, mb in self.looks if count >= WARM * self.predictions]

    @property
    def growth_mb(self) -> float:
        """From the first third to the last third of the looks after the warm-up, by their medians."""
        third = max(1, len(self.settled) // 3)
        return statistics.median(self.settled[-third:]) - statistics.median(self.settled[:third])


def prove(predictions: int) -> Endurance:
    with served() as dashboard:
        return asyncio.run(_drawn(dashboard.url, dashboard.process.pid, predictions))


async def _drawn(url: str, server: int, predictions: int) -> Endurance:
    visitors = [await Visitor.arrive(url) for _ in range(SESSIONS)]
    looks: list[tuple[int, float]] = []
    done = 0
    begun = time.monotonic()

    async def draw(number: int, visitor: Visitor) -> None:
        nonlocal done
        plan = drawings(number)
        while done < predictions:
            for strokes in plan:
                await visitor.draw(strokes)
                assert len(visitor.digits) == STAGES, f"expected answers of both stages: {visitor.digits}"
                assert all(digit in "0123456789" for digit in visitor.digits.values()), visitor.digits
                done += STAGES
                if done >= len(looks) * predictions / LOOKS:
                    looks.append((done, resident_mb(server)))
                if done >= predictions:
                    break

    await asyncio.gather(*(draw(number, visitor) for number, visitor in enumerate(visitors)))
    for visitor in visitors:
        await visitor.leave()
    return Endurance(looks=looks, predictions=done, seconds=time.monotonic() - begun)


def resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--predictions", type=int, default=PREDICTIONS)
    seen = prove(parser.parse_args().predictions)
    rows = {
        "predictions, by both stages, all answered": f"{seen.predictions:,} in {seen.seconds / 60:.0f} min",
        "sessions that drew without a pause": f"{SESSIONS}",
        f"server's memory after {seen.looks[0][0]:,} predictions": f"{seen.looks[0][1]:.0f} MB",
        f"after the first {WARM:.0%}: least, most": f"{min(seen.settled):.0f} MB, {max(seen.settled):.0f} MB",
        "at the end": f"{seen.looks[-1][1]:.0f} MB",
        f"growth after the first {WARM:.0%} (at most {MOST_GROWTH_MB:.0f} MB)": f"{seen.growth_mb:+.1f} MB",
    }
    if not RELIABILITY.is_file():
        RELIABILITY.write_text("# Reliability\n\nMade by `make campaign`.\n")
    write_section("Drawn for hours", rows, path=RELIABILITY)
    assert seen.growth_mb <= MOST_GROWTH_MB, seen.looks


if __name__ == "__main__":
    main()
