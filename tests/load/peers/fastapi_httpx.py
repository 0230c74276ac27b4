"""Proxy and check tokens with FastAPI and a pooled httpx client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request, Response

from tests.load.peers.answers import public_key, upstream_url


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=upstream_url(), limits=limits, trust_env=False) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def user(request: Request) -> str:
    token = request.cookies.get("token")
    if not token:
        raise HTTPException(401, "Authorization token is missing")
    try:
        claims = jwt.decode(token, public_key(), algorithms=["EdDSA"], audience="shop")
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Authorization token is invalid") from None
    return str(claims["sub"])


@app.get("/products")
async def products(request: Request, _user: Annotated[str, Depends(user)]) -> Response:
    reply = await request.app.state.client.get("/products")
    return Response(reply.content, reply.status_code, media_type=reply.headers["content-type"])
