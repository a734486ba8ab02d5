"""Triton: the embedded server, the archive it serves, and the client that asks it."""
