from tests.webui.site_broker import host, site_broker, team  # noqa: F401
