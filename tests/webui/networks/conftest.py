from tests.webui.cast import container, network, owner  # noqa: F401
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
