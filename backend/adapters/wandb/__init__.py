"""Runs as W&B records them: files on this machine, and its servers."""
