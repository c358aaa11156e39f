"""A client of Portside: all of its REST, its streams and its terminals, from Python; `python -m client` for a shell.

    from client import Portside

    site = Portside("https://portside.example.com", token="…", ca="/etc/ssl/our-ca.pem")
    site.wait(site.images.pull(reference="alpine"))
    started = site.containers.create(image="alpine", command=["echo", "hello"])
    site.wait(started)
    for chunk in site.logs(started["container"]["id"], follow=True):
        print(chunk["text"], end="")

`site.RESOURCE.VERB()` are the operations of `docs/openapi-v1.yml` under their own names: arguments in the path come
first, then parameters and the body's fields by name. Lists are iterators over all pages, long work answers with a job
for `wait`, and what goes wrong is a `PortsideError` of the family that the site names. It knows of Portside nothing but
words and errors, so that it may be taken along to another machine with urllib3 and websockets alone.
"""

from client.errors import (
    AlreadyExists,
    Cancelled,
    Conflict,
    ConnectionFailed,
    DataCorrupt,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    PortsideError,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from client.site import Portside

__all__ = [
    "AlreadyExists",
    "Cancelled",
    "Conflict",
    "ConnectionFailed",
    "DataCorrupt",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "Portside",
    "PortsideError",
    "ResourceExhausted",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
]
