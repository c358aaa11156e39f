"""What somebody may have meant who named something that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 5


def hint(name: str, known: Iterable[str]) -> str:
    """`did you mean front?`, else `there are back, front and 3 more`, else `there is none yet`; no dot at its end."""
    names = sorted(set(known))
    lowered = {one.lower(): one for one in names}
    close = [lowered[one] for one in get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.6)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    if not names:
        return "there is none yet"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names[:SHOWN])}{more}"
