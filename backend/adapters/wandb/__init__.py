"""W&B: its files on this machine, read without its library."""
