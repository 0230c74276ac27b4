"""Make access tokens that chance has damaged, each of which has to be refused."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.security.bad_tokens import ALPHABET, Maker, good_token, maker_of

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, 10**30, "", " ", "a", "\x00", "\ud800", [], [1], {}),
    *({"a": 1}, [["shop"]], "0", "9" * 40, "shop ", "Shop", "potion-shop2", 2**63, -(2**63)),
)
REQUIRED = ("iss", "aud", "exp", "iat", "jti", "sub")
# What would be a good value of the claim.
FITTING = {"jti": str, "sub": str}


def fuzzed_tokens(
    private_key: Ed25519PrivateKey, key_id: str, count: int, **changes: Any
) -> Iterator[str]:
    """Yield so many tokens, the same ones in every run for the same good token."""
    chance = random.Random(count)
    maker = maker_of(private_key, key_id, **changes)
    good = [good_token(private_key, key_id, **changes, jti=f"good-{n}") for n in range(8)]
    ways: list[Callable[[], str]] = [
        lambda: _typed_wrongly(chance, chance.choice(good)),
        lambda: _mixed(chance, good),
        lambda: _claimed_wrongly(chance, maker),
        lambda: _headed_wrongly(chance, maker),
    ]
    for _ in range(count):
        token = chance.choice(ways)()
        while token in good:
            token = chance.choice(ways)()
        yield token


def _typed_wrongly(chance: random.Random, token: str) -> str:
    characters = list(token)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(characters))
        way = chance.randrange(4)
        if way == 0:
            characters[place] = chance.choice(ALPHABET + ".=+/ ")
        elif way == 1:
            del characters[place]
        elif way == 2:
            characters.insert(place, chance.choice(ALPHABET + "."))
        else:
            characters[place:] = characters[place:][: chance.randint(1, 200)]
    return "".join(characters)


def _mixed(chance: random.Random, good: list[str]) -> str:
    return ".".join(chance.choice(good).split(".")[chance.randrange(3)] for _ in range(3))


def _claimed_wrongly(chance: random.Random, maker: Maker) -> str:
    claims = dict(maker.claims)
    for name in chance.sample(REQUIRED, chance.randint(1, 3)):
        values = [v for v in JUNK if not (v and isinstance(v, FITTING.get(name, type(None))))]
        if chance.random() < 0.2:
            del claims[name]
        else:
            claims[name] = chance.choice(values)
    return maker.make(claims=claims)


def _headed_wrongly(chance: random.Random, maker: Maker) -> str:
    header = dict(maker.header)
    name = chance.choice([*header, "jku", "crit", "x5u", "zip"])
    header[name] = chance.choice(JUNK)
    return maker.make(header=header)
