"""The site's settings for tests: the same, with a home that nobody else uses.

Tests that start processes of their own give those an environment of their own (`tests.support.home`).
"""

import atexit
import os
import shutil
import tempfile

_home = tempfile.mkdtemp(prefix="portside-settings-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["PORTSIDE_HOME"] = _home
for _name in ("PORTSIDE_DATABASE_URL", "PORTSIDE_REDIS_URL", "PORTSIDE_ADMIN_PASSWORD", "PORTSIDE_BIND"):
    os.environ.pop(_name, None)

from webui.settings import *  # noqa: E402, F403

if os.environ.get("PORTSIDE_TEST_DATABASE") == "postgresql":
    # `PORTSIDE_TEST_DATABASE=postgresql python -m pytest tests/webui` runs the site's tests on PostgreSQL.
    from tests.support.postgresql import settings_of

    DATABASES = {"default": settings_of()}
else:
    # A file, since sockets and the inbox use threads: those would lock one another out of a database in memory.
    DATABASES["default"]["TEST"] = {"NAME": f"{_home}/test.db"}
