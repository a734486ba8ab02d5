"""The rules that cross ports. A service knows protocols only; `backend.assembly` hands it adapters."""
