"""The edge: everything that touches a process, a file, a database or a network."""
