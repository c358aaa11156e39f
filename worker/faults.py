"""Errors as the site shows them: what a user may see, and a reference to the log for all else."""

from __future__ import annotations

import logging
import secrets

from engine.errors import EngineError
from worker.contract.events import ErrorInfo
from worker.contract.wire import ContractError, to_wire

logger = logging.getLogger(__name__)


def error_info(error: BaseException) -> ErrorInfo:
    """Family, message and detail of an error.

    An exception that is no EngineError is a mistake of ours: its text may hold anything, so only the log has
    it, and the user gets the reference to look for.
    """
    if isinstance(error, EngineError):
        return ErrorInfo(family=error.family, message=error.message, detail=_detail(error))
    if isinstance(error, ContractError):
        return ErrorInfo(family="unsupported", message=f"This host's worker does not understand the command: {error}")
    reference = secrets.token_hex(4)
    logger.error("unexpected error, reference %s", reference, exc_info=error)
    return ErrorInfo(
        family="internal",
        message=f"Something went wrong inside the worker; its log tells more under the reference {reference}.",
        detail={"reference": reference},
    )


def _detail(error: EngineError) -> dict[str, object]:
    detail = {}
    for key, value in error.detail.items():
        try:
            detail[key] = to_wire(value)
        except ContractError:
            detail[key] = str(value)
    return detail
