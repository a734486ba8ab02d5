"""GitHub's API: pull requests and their comments. Its token travels in one header and nowhere else."""
