"""The rules that cross ports. A service knows protocols only; `backend.bootstrap` hands it adapters."""
