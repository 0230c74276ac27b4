"""Make every kind of access token that has to be refused, for the tests of whoever takes tokens.

Each differs in one point from a token that is good, so that the missing check is known when one
gets through.  Sources: RFC 8725, sections 2 and 3; RFC 9068, section 4.  All are visible ASCII
without characters that end a cookie's value.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.inbound.tokens import MAX_LIFE_SECONDS, MAX_TOKEN_BYTES

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
Sign = Callable[[bytes], bytes]


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class Maker:
    """Hold a good token's parts and make tokens that differ."""

    private_key: Ed25519PrivateKey
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    def make(self, header: Any = None, claims: Any = None, sign: Sign | None = None) -> str:
        """Return a token; text and bytes stand for themselves, other values become JSON."""
        parts = [
            base64url(_encoded(self.header if header is None else header)),
            base64url(_encoded(self.claims if claims is None else claims)),
        ]
        signature = (sign or self.private_key.sign)(".".join(parts).encode())
        return ".".join([*parts, base64url(signature)])

    def with_header(self, **changes: Any) -> str:
        return self.make(header={**self.header, **changes})

    def with_claims(self, **changes: Any) -> str:
        return self.make(claims={**self.claims, **changes})

    def with_raw_claim(self, name: str, text: str) -> str:
        """Return a token with a claim in a spelling that Python's JSON would not write."""
        rest = json.dumps(_without(self.claims, name))[1:-1]
        return self.make(claims=f'{{{rest}, "{name}": {text}}}')


def good_token(private_key: Ed25519PrivateKey, key_id: str, **changes: Any) -> str:
    """Return a token that has to be accepted, to show that the others fail for their own reason."""
    return maker_of(private_key, key_id, **changes).make()


def long_token(private_key: Ed25519PrivateKey, key_id: str, length: int, **changes: Any) -> str:
    """Return a good token of so many bytes, or one more where base64 has no such length."""
    maker = maker_of(private_key, key_id, **changes)
    bare = len(maker.with_claims(filler=""))
    # Base64 makes four characters of three.
    sizes = range((length - bare) * 3 // 4 - 3, length)
    tokens = (maker.with_claims(filler="x" * size) for size in sizes)
    return next(token for token in tokens if len(token) >= length)


def bad_tokens(private_key: Ed25519PrivateKey, key_id: str, **changes: Any) -> dict[str, str]:
    """Return the tokens, each under the name of what is wrong with it.

    Args:
        private_key: the key that the application trusts.
        key_id: the ``kid`` of that key.
        changes: claims that a good token has there, such as ``sub``, ``iss`` and ``iat``.
    """
    maker = maker_of(private_key, key_id, **changes)
    return {
        **_algorithms(maker),
        **_signatures(maker),
        **_segments(maker),
        **_headers(maker),
        **_times(maker),
        **_claims(maker),
        "just over 4 KiB": long_token(private_key, key_id, MAX_TOKEN_BYTES + 1, **changes),
    }


def maker_of(private_key: Ed25519PrivateKey, key_id: str, **changes: Any) -> Maker:
    """Return what makes tokens of these claims and others."""
    now = changes.get("iat", int(time.time()))
    claims = {
        "iss": "potion-shop",
        "aud": "shop",
        "exp": now + 600,
        "iat": now,
        "jti": "one-of-a-kind",
        "sub": "user-1",
        "roles": ["operator"],
        **changes,
    }
    return Maker(private_key, {"alg": "EdDSA", "typ": "at+jwt", "kid": key_id}, claims)


def _algorithms(maker: Maker) -> dict[str, str]:
    public_key = maker.private_key.public_key()
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(public_key.public_bytes_raw())}
    keys = {
        "PEM": pem,
        "PEM without newline": pem.strip(),
        "DER": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "raw key": public_key.public_bytes_raw(),
        "JWK": json.dumps(jwk).encode(),
        "JWK without spaces": json.dumps(jwk, separators=(",", ":")).encode(),
        "JWK's x": jwk["x"].encode(),
        "key id": str(maker.header["kid"]).encode(),
        "nothing": b"",
    }
    tokens = {}
    for name in ("none", "None", "NONE", "nOnE", ""):
        header = {**maker.header, "alg": name}
        tokens[f"alg {name!r}, no signature"] = maker.make(header=header, sign=lambda _: b"")
        tokens[f"alg {name!r}, signed"] = maker.make(header=header)
    for name, key in keys.items():
        for bits in (256, 384, 512):
            tokens[f"HS{bits} with the {name}"] = maker.make(
                header={**maker.header, "alg": f"HS{bits}"}, sign=_hmac(key, f"sha{bits}")
            )
    for name in (
        "eddsa",
        "EDDSA",
        "EdDSA ",
        "Ed25519",
        "Ed448",
        "HS256",
        "RS256",
        "PS256",
        "ES256",
    ):
        tokens[f"alg {name!r} over a good signature"] = maker.with_header(alg=name)
    for value in (["EdDSA"], None, 1, {"EdDSA": 1}, True):
        tokens[f"alg {value!r}"] = maker.with_header(alg=value)
    tokens["alg missing"] = maker.make(header=_without(maker.header, "alg"))
    tokens["ES256 with another key"] = maker.make(
        header={**maker.header, "alg": "ES256"},
        sign=_es256(ec.generate_private_key(ec.SECP256R1())),
    )
    return tokens


def _signatures(maker: Maker) -> dict[str, str]:
    other = Ed25519PrivateKey.generate()
    key = maker.private_key
    return {
        "signature of another key": maker.make(sign=other.sign),
        "signature of other claims": maker.make(sign=lambda _: key.sign(b"other")),
        "signature stripped": maker.make(sign=lambda _: b""),
        "signature of zeros": maker.make(sign=lambda _: bytes(64)),
        "signature cut": maker.make(sign=lambda text: key.sign(text)[:-1]),
        "signature with a byte more": maker.make(sign=lambda text: key.sign(text) + b"\0"),
        "signature with a flipped bit": maker.make(sign=lambda text: _flipped(key.sign(text))),
        # The second spelling of a signature that verifiers without the check of RFC 8032 accept.
        "signature plus the order": maker.make(sign=lambda text: _malleable(key.sign(text))),
    }


def _segments(maker: Maker) -> dict[str, str]:
    header, claims, signature = maker.make().split(".")
    # Lengths that leave unused bits in the last character of the segment.
    loose = maker.make(_padded(maker.header), _padded(maker.claims)).split(".")
    return {
        "not a token": "not-a-token",
        "only dots": "..",
        "one segment": header,
        "two segments": f"{header}.{claims}",
        "four segments": f"{header}.{claims}.{signature}.{signature}",
        "five segments": f"{header}..{claims}.{signature}.{signature}",
        "empty header": f".{claims}.{signature}",
        "empty claims": f"{header}..{signature}",
        "a dot before": f".{header}.{claims}.{signature}",
        "a dot after": f"{header}.{claims}.{signature}.",
        "padded header": _resigned(maker, f"{header}=", claims),
        "padded claims": _resigned(maker, header, f"{claims}="),
        "padded signature": f"{header}.{claims}.{signature}==",
        "stray bits in the header": _resigned(maker, _loosened(loose[0]), loose[1]),
        "stray bits in the claims": _resigned(maker, loose[0], _loosened(loose[1])),
        "stray bits in the signature": f"{header}.{claims}.{_loosened(signature)}",
        "standard base64": _standard_alphabet(maker),
        "a percent sign": f"{header}.{claims}.{signature}%3D",
        "quoted": f"'{header}.{claims}.{signature}'",
        "over 4 KiB": maker.with_claims(filler="x" * (MAX_TOKEN_BYTES - 512)),
        "header over 4 KiB": maker.with_header(kid="x" * (MAX_TOKEN_BYTES - 512)),
    }


def _headers(maker: Maker) -> dict[str, str]:
    attacker = Ed25519PrivateKey.generate()
    x = base64url(attacker.public_key().public_bytes_raw())
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": x}
    extras = {
        "jku": "https://attacker.test/jwks.json",
        "jwk": jwk,
        "x5u": "https://attacker.test/key.pem",
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "b64": True,
        "zip": "DEF",
        "cty": "JWT",
        "exp": maker.claims["exp"],
        "unheard-of": 1,
    }
    tokens = {
        f"header has {name}": maker.with_header(**{name: value}) for name, value in extras.items()
    }
    tokens["key of the token itself"] = maker.make({**maker.header, "jwk": jwk}, sign=attacker.sign)
    tokens["b64 false"] = maker.with_header(b64=False, crit=["b64"])
    for value in (
        "JWT",
        "jwt",
        "at+JWT",
        "application/at+jwt",
        "rt+jwt",
        "at+jwt ",
        "",
        None,
        ["at+jwt"],
    ):
        tokens[f"typ {value!r}"] = maker.with_header(typ=value)
    for value in (
        "unknown",
        "",
        None,
        1,
        [maker.header["kid"]],
        {},
        "../../dev/null",
        "' OR 1=1 --",
    ):
        tokens[f"kid {value!r}"] = maker.with_header(kid=value)
    text = json.dumps(maker.header)
    raw = {
        "header is an array": [maker.header],
        "header is null": "null",
        "header is a text": '"EdDSA"',
        "header is no JSON": "EdDSA",
        "header is UTF-16": text.encode("utf-16"),
        "header has a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "header is not UTF-8": text.encode().replace(b"EdDSA", b"EdDS\xff"),
        "header has alg twice": f'{{"alg": "none", {text[1:]}',
        "header has kid twice": f'{{"kid": "other", {text[1:]}',
        "header goes on": f"{text}{{}}",
        "header without typ": _without(maker.header, "typ"),
        "header without kid": _without(maker.header, "kid"),
        "header is empty": {},
    }
    return tokens | {name: maker.make(header=value) for name, value in raw.items()}


def _times(maker: Maker) -> dict[str, str]:
    now, expires = maker.claims["iat"], maker.claims["exp"]
    spellings = {
        "a text": f'"{expires}"',
        "1e30": "1e30",
        "an integer of 30 digits": "9" * 30,
        "2**63": str(2**63),
        "NaN": "NaN",
        "Infinity": "Infinity",
        "negative": "-1",
        "minus zero": "-0",
        "a boolean": "true",
        "a fraction": f"{expires}.5",
        "a float": f"{expires}.0",
        "with an exponent": f"{expires}e0",
        "null": "null",
        "an array": f"[{expires}]",
        "an object": "{}",
        "a date": '"2099-01-01T00:00:00Z"',
    }
    tokens = {
        f"{claim} is {name}": maker.with_raw_claim(claim, text)
        for claim in ("exp", "iat")
        for name, text in spellings.items()
    }
    tokens |= {
        "exp is past": maker.with_claims(iat=now - 700, exp=now - 100),
        "exp is now": maker.with_claims(iat=now - 600, exp=now),
        "exp is iat": maker.with_claims(exp=now),
        "exp is before iat": maker.with_claims(iat=now, exp=now - 1),
        "exp is before iat, which is nearly now": maker.with_claims(iat=now + 2, exp=now + 1),
        "life over a day": maker.with_claims(exp=now + MAX_LIFE_SECONDS + 1),
        "life begins in 1970": maker.with_claims(iat=0),
        "iat is in an hour": maker.with_claims(iat=now + 3600, exp=now + 4200),
        "iat is in an hour, nbf is not": maker.with_claims(iat=now + 3600, nbf=now, exp=now + 4200),
        "nbf is in an hour": maker.with_claims(nbf=now + 3600),
        "nbf is a text": maker.with_claims(nbf=str(now)),
        "nbf is a boolean": maker.with_claims(nbf=True),
        "nbf is 1e30": maker.with_raw_claim("nbf", "1e30"),
        "nbf is null": maker.with_claims(nbf=None),
    }
    return tokens


def _claims(maker: Maker) -> dict[str, str]:
    issuer, audience = maker.claims["iss"], maker.claims["aud"]
    changes: dict[str, list[Any]] = {
        "aud": [
            [audience], [audience, "other"], [], "other", "", None, 1, True, {audience: 1},
            audience[:-1], f"{audience}2", f"{audience} ", audience.upper(),
        ],
        "iss": [
            issuer[:-1], f"{issuer}-staging", f"{issuer}/", f"my-{issuer}", f" {issuer}",
            issuer.upper(), [issuer], "", None, 1, {issuer: 1},
        ],
        "sub": ["", None, 1, ["user-1"], {}, True],
        "jti": ["", None, 1, []],
        "roles": ["operator", None, 1, {"operator": 1}, ["operator", 1], [["operator"]]],
        "scope": [["payments:write"], None, 1, {}],
    }  # fmt: skip
    tokens = {
        f"{claim} is {value!r}": maker.with_claims(**{claim: value})
        for claim, values in changes.items()
        for value in values
    }
    for claim in ("iss", "aud", "exp", "iat", "jti", "sub"):
        tokens[f"{claim} is missing"] = maker.make(claims=_without(maker.claims, claim))
    text = json.dumps(maker.claims)
    raw = {
        "claims are an array": [maker.claims],
        "claims are null": "null",
        "claims are a text": '"user-1"',
        "claims are no JSON": "sub=user-1",
        "claims are empty": {},
        "claims are UTF-16": text.encode("utf-16"),
        "claims go on": f"{text}{{}}",
        "claims have sub twice": f'{{"sub": "other", {text[1:]}',
        "claims have exp twice": f'{{"exp": 9999999999, {text[1:]}',
        "claims are nested deeply": f'{{"deep": {"[" * 400}{"]" * 400}, {text[1:]}',
        "claims have a lone surrogate": f'{{"name": "\\ud800", {text[1:]}',
        "claims have a NUL": f'{{"name": "\\u0000", {text[1:]}',
    }
    tokens |= {name: maker.make(claims=value) for name, value in raw.items()}
    identity = {
        **_without(maker.claims, "jti"),
        "aud": "web-client",
        "nonce": "n",
        "email": "a@b.test",
    }
    return tokens | {
        "an identity token": maker.make({**maker.header, "typ": "JWT"}, identity),
        "a refresh token": maker.make(
            {**maker.header, "typ": "rt+jwt"}, {**maker.claims, "aud": "refresh"}
        ),
    }


def _without(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


def _encoded(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def _padded(value: Mapping[str, Any]) -> str:
    text = json.dumps(value)
    return text + " " * ((1 - len(text)) % 3)


def _resigned(maker: Maker, header: str, claims: str) -> str:
    signature = maker.private_key.sign(f"{header}.{claims}".encode())
    return f"{header}.{claims}.{base64url(signature)}"


def _loosened(segment: str) -> str:
    """Return another spelling of the segment: its unused last bits are set."""
    last = ALPHABET[ALPHABET.index(segment[-1]) | 1]
    changed = segment[:-1] + last
    assert changed != segment
    return changed


def _standard_alphabet(maker: Maker) -> str:
    tokens = (maker.with_claims(jti=f"try-{number}") for number in range(100))
    token = next(token for token in tokens if "-" in token.rpartition(".")[2])
    rest, _, signature = token.rpartition(".")
    return f"{rest}.{signature.replace('-', '+')}"


def _hmac(key: bytes, digest: str) -> Sign:
    return lambda text: hmac.digest(key, text, digest)


def _es256(key: ec.EllipticCurvePrivateKey) -> Sign:
    def sign(text: bytes) -> bytes:
        digest = hashlib.sha256(text).digest()
        signature = key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256())))
        return b"".join(n.to_bytes(32, "big") for n in utils.decode_dss_signature(signature))

    return sign


def _flipped(signature: bytes) -> bytes:
    return bytes([signature[0] ^ 1]) + signature[1:]


def _malleable(signature: bytes) -> bytes:
    scalar = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    return signature[:32] + scalar.to_bytes(32, "little")
