"""Friendly names for containers that nobody named: an adjective and a bird, such as brisk-heron."""

from __future__ import annotations

import secrets
from collections.abc import Callable

_ADJECTIVES = (
    "able amber apt bold brave bright brisk calm clear clever cosy crisp curious dapper daring eager early fair "
    "fleet fond frank fresh gentle glad golden grand hardy hearty honest jolly keen kind lively loyal lucid lucky "
    "mellow merry mild neat nimble noble patient placid plucky polite proud quick quiet rapid ready ruddy serene "
    "sharp silver sleek smart snug sober solid spry steady sturdy sunny swift tidy tranquil true vivid warm wise "
    "witty zesty"
)
_BIRDS = (
    "albatross avocet bittern bunting buzzard cormorant crane curlew dipper dotterel dove dunlin eagle egret "
    "eider falcon finch fulmar gannet godwit goose grebe gull harrier hawk heron hobby ibis jackdaw jay kestrel "
    "kingfisher kite knot lapwing lark linnet magpie martin merlin nightjar osprey ouzel owl partridge petrel "
    "pipit plover puffin quail rail raven redstart robin rook ruff sanderling shearwater shrike siskin skua snipe "
    "sparrow starling stork swallow swan swift teal tern thrush turnstone wagtail warbler whimbrel wigeon wren"
)
ADJECTIVES, BIRDS = _ADJECTIVES.split(), _BIRDS.split()


def friendly_name(is_taken: Callable[[str], bool], choose: Callable[[list[str]], str] = secrets.choice) -> str:
    """A name for which `is_taken` is false: two words, and a number behind them when those run out."""
    for _ in range(5):
        name = f"{choose(ADJECTIVES)}-{choose(BIRDS)}"
        if not is_taken(name):
            return name
    while True:
        name = f"{choose(ADJECTIVES)}-{choose(BIRDS)}-{secrets.randbelow(9000) + 1000}"
        if not is_taken(name):
            return name
