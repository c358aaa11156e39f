from tests.webui.cast import nobody, outsider, owner, teammate  # noqa: F401
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
