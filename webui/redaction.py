"""What a log doesn't repeat: secrets that are a part of an address, as that of an invitation is."""

from __future__ import annotations

import logging
import re

_SECRET = re.compile(r"(/invitations/)[^/\s]+")


class SecretAddresses(logging.Filter):
    """Leaves every record in, with the secrets of its addresses taken out."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if "/invitations/" in said:
            record.msg, record.args = _SECRET.sub(r"\1…", said), None
        return True
