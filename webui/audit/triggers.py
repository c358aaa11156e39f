"""What makes the table append-only in the database itself: rows come, get a result once, and stay.

A later migration that alters this table has to install them again: SQLite makes an altered table anew, without them.
"""

from __future__ import annotations

from typing import Any

TABLE = "audit_auditentry"
COLUMNS = (
    *("id", "at", "actor_id", "actor_name", "token", "door", "address", "agent", "action", "team_id", "team_name"),
    *("host_id", "host_name", "object_id", "object_name", "job_id", "before", "after"),
)
"""Those that never change; `result` and `error` do, from "asked"."""
REFUSAL = "the audit log is append-only"

_SAME = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in COLUMNS)
_SQLITE = {
    "audit_no_change": f"""CREATE TRIGGER audit_no_change BEFORE UPDATE ON {TABLE}
        WHEN NOT (OLD.result = 'asked' AND {_SAME}) BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END""",
    "audit_no_removal": f"""CREATE TRIGGER audit_no_removal BEFORE DELETE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END""",
}
_FUNCTION = f"""CREATE OR REPLACE FUNCTION audit_guard() RETURNS trigger AS $$ BEGIN
    IF TG_OP = 'UPDATE' AND OLD.result = 'asked'
        AND to_jsonb(NEW) - 'result' - 'error' = to_jsonb(OLD) - 'result' - 'error' THEN RETURN NEW; END IF;
    RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
END $$ LANGUAGE plpgsql"""
_POSTGRESQL = {
    "audit_no_change": f"""CREATE TRIGGER audit_no_change BEFORE UPDATE ON {TABLE}
        FOR EACH ROW EXECUTE FUNCTION audit_guard()""",
    "audit_no_removal": f"""CREATE TRIGGER audit_no_removal BEFORE DELETE ON {TABLE}
        FOR EACH ROW EXECUTE FUNCTION audit_guard()""",
    "audit_no_emptying": f"""CREATE TRIGGER audit_no_emptying BEFORE TRUNCATE ON {TABLE}
        FOR EACH STATEMENT EXECUTE FUNCTION audit_guard()""",
}


def install(connection: Any) -> None:
    """Make the database refuse changes and removals; what is there already is made anew."""
    uninstall(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_FUNCTION)
        for statement in _of(connection).values():
            cursor.execute(statement)


def uninstall(connection: Any) -> None:
    """Let rows be removed: for `audit_trim`, in one transaction with `install`."""
    on = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for name in _of(connection):
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def _of(connection: Any) -> dict[str, str]:
    return _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE
