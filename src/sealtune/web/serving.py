"""Binding, TLS and the loop of the web server."""

import asyncio
import ipaddress
import logging
import os
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

from sealtune.errors import InputError

LOOPBACK = "127.0.0.1"
USUAL_PORT = 8765
_GRACE_SECONDS = 1
_TICK_SECONDS = 0.5


@dataclass(frozen=True)
class Address:
    """Where the dashboard listens.

    Attributes:
        host: Name or address that people type.
        port: Its port.
        tls: Certificate and key files; ``None`` for plain HTTP.
    """

    host: str
    port: int
    tls: tuple[Path, Path] | None = None

    def url(self, token: str, path: str = "/") -> str:
        """Return what to open in a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}{path}?token={token}"


def bind(
    host: str,
    port: int | None,
    *,
    tls: tuple[Path, Path] | None = None,
    without_tls: bool = False,
) -> tuple[socket.socket, Address]:
    """Return a bound socket and its address.

    Args:
        host: Name or address of this machine.
        port: 0 for any free one; ``None`` for the usual one, or any if that is taken.
        tls: Certificate and key files.
        without_tls: The person accepts that the page goes over the network unencrypted.

    Raises:
        InputError: It cannot be bound, or would be open to the network without TLS.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"--host {host}: {error}", fix="Name an address or host name of this machine."
        ) from error
    at = ipaddress.ip_address(str(where[0]).partition("%")[0])
    if at.is_unspecified:
        raise InputError(
            f"--host {host}: it would answer to any name, and then any web page could reach it",
            fix="Name the one address or host name that people will type.",
        )
    if not at.is_loopback and tls is None and not without_tls:
        raise InputError(
            f"--host {host}: the page and its key would go over the network unencrypted",
            fix="Add --tls-cert FILE --tls-key FILE, or --without-tls if you accept that; "
            "or stay on loopback and use ssh -L.",
        )
    _check_tls(tls)
    bound = _bound(family, str(where[0]), port)
    return bound, Address(host, bound.getsockname()[1], tls)


def _bound(family: int, host: str, port: int | None) -> socket.socket:
    wanted = [USUAL_PORT, 0] if port is None else [port]
    for last, one in ((one == wanted[-1], one) for one in wanted):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, one))
            listener.listen(64)  # only a listening socket keeps others off the port
        except OSError as error:
            listener.close()
            if last:
                fix = "Choose another --port (0 takes any free one), or another --host."
                raise InputError(f"{host}, port {one}: {error.strerror}", fix=fix) from error
        else:
            return listener
    raise AssertionError("the loop returns or raises")


def _check_tls(tls: tuple[Path, Path] | None) -> None:
    if tls is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*tls)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"--tls-cert {tls[0]} --tls-key {tls[1]}: {error}",
            fix="Name a certificate and its key, both PEM, that you may read.",
        ) from error


def serve(
    application: object, listener: socket.socket, address: Address, parent: int | None
) -> None:
    """Serve until Ctrl-C or, with `parent`, until that descriptor is closed at its other end."""
    import uvicorn

    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # what is wrong, answers say
    config = uvicorn.Config(
        application,  # type: ignore[arg-type]
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=64,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        h11_max_incomplete_event_size=16 * 1024,
        ssl_certfile=address.tls[0] if address.tls else None,
        ssl_keyfile=address.tls[1] if address.tls else None,
    )

    class Quiet(uvicorn.Server):
        """Wakes twice a second instead of ten times."""

        async def main_loop(self) -> None:
            while not await self.on_tick(0):
                await asyncio.sleep(_TICK_SECONDS)

    server = Quiet(config)
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent, server), daemon=True).start()
    try:
        server.run([listener])
    except KeyboardInterrupt:  # uvicorn raises the signal again once it has ended
        return


def _end_with(parent: int, server: object) -> None:
    while os.read(parent, 64):
        pass
    server.should_exit = True  # type: ignore[attr-defined]
