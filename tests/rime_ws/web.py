"""A plain HTTP request, as curl makes it."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


async def get(address, path, ssl=None, **headers):
    """What is answered to GET; the headers' names are in lower case."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=ssl)
    try:
        sent = {"Host": address, **{key.replace("_", "-"): value for key, value in headers.items()}}
        lines = [f"GET {path} HTTP/1.1", *(f"{key}: {value}" for key, value in sent.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    first, *rest = head.split("\r\n")
    return Answer(int(first.split()[1]), {k.lower(): v for k, _, v in (each.partition(": ") for each in rest)}, body)
