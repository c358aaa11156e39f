from tests.webui.answering import answering  # noqa: F401
from tests.webui.cast import (  # noqa: F401
    build,
    container,
    credential,
    image,
    job,
    network,
    nobody,
    outsider,
    owner,
    teammate,
    volume,
)
from tests.webui.live import live_site  # noqa: F401
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
from tests.webui.streams.conftest import fake_host  # noqa: F401
