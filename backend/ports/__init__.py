"""What services need of the outside, as short protocols; their docstrings are the contract that every adapter keeps.

Unless a method says otherwise: it may raise `PlatformError` when its platform fails, it is safe to call from several
threads, and what it returns is a snapshot.
"""
