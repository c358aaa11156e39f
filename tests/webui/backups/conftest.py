from tests.webui.answering import answering  # noqa: F401
from tests.webui.cast import container, credential, image, job, network, nobody, outsider, owner, teammate, volume  # noqa: F401
from tests.webui.live import live_site  # noqa: F401
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
