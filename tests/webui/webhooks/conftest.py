from tests.webui.cast import container, job, nobody, outsider, owner, teammate  # noqa: F401
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
from tests.webui.webhooks.receiving import admin, hook, receiver  # noqa: F401
