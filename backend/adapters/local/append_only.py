"""Tables whose rows the database itself keeps as they are: the one place with SQL that only SQLite understands.

PostgreSQL wants a trigger function that raises, one trigger for each of the same three events, and one for TRUNCATE,
which SQLite does not have.
"""

from __future__ import annotations


def never_changed(table: str, *, while_open: str = "", key: str = "id") -> tuple[str, ...]:
    """Statements that make the database refuse to change or remove a row of `table`.

    `while_open` is a condition on a row as it stands: one that fulfils it may still be changed, but never be removed.
    `key` is the column that a row is known by.
    The names come from our code, never from outside.
    """
    open_now = f" WHEN NOT (OLD.{while_open})" if while_open else ""
    known = f"NEW.{key} IN (SELECT {key} FROM {table})"  # noqa: S608 - a name of ours
    refused = f"SELECT RAISE(ABORT, '{table}: what was recorded is never changed')"
    return (
        f"CREATE TRIGGER {table}_never_updated BEFORE UPDATE ON {table}{open_now} BEGIN {refused}; END",
        f"CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table} BEGIN {refused}; END",
        # INSERT OR REPLACE removes the row in its way without telling the trigger above.
        f"CREATE TRIGGER {table}_never_replaced BEFORE INSERT ON {table} WHEN {known} BEGIN {refused}; END",
    )
