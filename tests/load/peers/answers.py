"""Hold what the upstream answers, and the key that all contenders check tokens with."""

import json
import os
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_pem_public_key

TITLES: Final = ("Healing Draught", "Elixir of Wit", "Oil of Sharpness", "Drops of Dusk")

# About 1.5 KB, as a page of ten products has.
PAGE: Final = json.dumps(
    {
        "data": [
            {
                "id": number,
                "title": TITLES[number % 4],
                "brand": "Cauldron & Sons",
                "price": 12.5 + number,
                "description": "Shake well. Keep out of the reach of apprentices.",
            }
            for number in range(1, 11)
        ]
    }
).encode()


def upstream_url() -> str:
    """Return the address that a gateway sends its requests on to."""
    return os.environ["BENCH_UPSTREAM"]


@cache
def public_key() -> Any:
    """Return the key that tokens are signed with."""
    return load_pem_public_key(os.environ["BENCH_PUBLIC_KEY"].encode())
