"""A client outside of everything that is measured: `python -m tests.campaign.open_loop URL PER_SECOND COUNT`.

Prints "begun" when it begins and, at the end, a JSON array: [due, sent, done, version, failure] of each request.
"""

from __future__ import annotations

import gc
import json
import sys

from backend.adapters.triton.load import open_loop


def main(url: str, per_second: str, count: str) -> None:
    gc.disable()  # a pause of the client's would be told as one of the server's
    print("begun", flush=True)
    shots = open_loop(url, per_second=float(per_second), count=int(count), progress=lambda *_: None)
    json.dump([[shot.due, shot.sent, shot.done, shot.version, shot.failure] for shot in shots], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
