"""Be the cheap upstream of every contender: ``upstream.py <port> <key set>``.

One asyncio protocol that answers each request at once, whatever it asks for; it plays all services
of the shop, so it has a key set and a list of revocations as well.
"""

import asyncio
import sys

from tests.load.peers.answers import PAGE

ANSWERS: dict[bytes, bytes] = {}


def answer(body: bytes) -> bytes:
    """Return a whole answer."""
    lines = [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        "Cache-Control: public, max-age=1",
    ]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "\r\n"]).encode() + body


class Upstream(asyncio.Protocol):
    """Serve one connection; no request here has a body."""

    def connection_made(self, transport):
        self.transport = transport
        self.seen = b""

    def data_received(self, data):
        self.seen += data
        while b"\r\n\r\n" in self.seen:
            head, _, self.seen = self.seen.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            self.transport.write(ANSWERS.get(path, ANSWERS[b""]))


async def main():
    port, key_set = int(sys.argv[1]), sys.argv[2].encode()
    ANSWERS[b""] = answer(PAGE)
    ANSWERS[b"/.well-known/jwks.json"] = answer(key_set)
    ANSWERS[b"/internal/revocations"] = answer(
        b'{"revoked":[],"now":0,"seconds":600,"keys":["bench"]}'
    )
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
