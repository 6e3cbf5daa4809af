"""Which addresses may be connected to, when it is users who name them.

A URL is taken apart once, here, and the connection is made from the parts: no second parser can
read it differently. What is refused are the networks of the IANA special-purpose registries
(https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry) and
the addresses at which clouds tell machines their secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self
from urllib.parse import quote

import idna

from earmark.errors import AddressForbidden, InvalidOption
from earmark.settings import Settings

__all__ = ["MAX_URL", "Address", "AddressRules", "Target", "shown_url"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL = 2048
"""Longest URL accepted, in characters."""

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^#]*)(?:#.*)?", re.I
)
_AUTHORITY = re.compile(
    r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[^\[\]:@%]+))(?::(?P<port>[0-9]{0,5}))?", re.I
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))

_FORBIDDEN_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT, and Alibaba's metadata (100.100.100.200)
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's host, from inside its machines
            "169.254.0.0/16",  # link-local, and the metadata of most clouds (169.254.169.254)
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments, and Oracle's metadata (192.0.0.192)
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")  # all else is unassigned, local or multicast
_FORBIDDEN_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments; Teredo, which wraps any IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which wraps any IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A URL taken apart: all that is needed to connect and ask.

    ``host`` is in ASCII and lower case, without brackets; ``address`` is set when the host is an
    address and not a name. ``path`` is the request target, with the query.
    """

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    address: Address | None = None

    @property
    def authority(self) -> str:
        """Host and port as they stand in the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, in ASCII. Its query may carry a signature: not for logs."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def shown(self) -> str:
        """The URL without its query, for messages and logs."""
        return f"{self.scheme}://{self.authority}{self.path.partition('?')[0]}"


class AddressRules:
    """What may be connected to: public addresses by HTTPS, and what an operator allows."""

    def __init__(
        self, *, allow_http: bool = False, allow: Iterable[str] = (), outbound: bool = True
    ) -> None:
        """``allow`` holds addresses or networks (CIDR); raises `InvalidOption` for another.

        Without ``outbound`` nothing is connected to.
        """
        self._outbound = outbound
        self._allow_http = allow_http
        self._allow = tuple(_network(entry) for entry in allow)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The rules that the settings make."""
        return cls(
            allow_http=settings.allow_http,
            allow=settings.allow_addresses,
            outbound=settings.outbound,
        )

    def check_url(self, url: str) -> Target:
        """Take a URL apart.

        Raises:
            InvalidOption: it is no URL of the web, or longer than `MAX_URL`.
            AddressForbidden: it names a forbidden address, or plain HTTP, which is not allowed.
        """
        if len(url) > MAX_URL:
            raise InvalidOption(
                f"The URL has {len(url)} characters, and {MAX_URL} are accepted: shorten it."
            )
        if not url.isprintable() or " " in url or "\\" in url:
            raise _invalid(url, "has spaces, control characters or backslashes: percent-encode it")
        parts = _URL.fullmatch(url)
        if parts is None or parts["scheme"].lower() not in _PORTS:
            raise _invalid(url, "is no URL that starts with https://")
        if not self._outbound:
            raise AddressForbidden(
                "This server connects to no address (EARMARK_OUTBOUND is off): upload recordings,"
                " and ask for the state of jobs."
            )
        scheme = parts["scheme"].lower()
        if scheme == "http" and not self._allow_http:
            raise AddressForbidden(
                f"{shown_url(url)} is plain HTTP, which this server does not use: give an"
                " https:// URL."
            )
        if "@" in parts["authority"]:
            raise _invalid(url, "carries a user name or password: leave them out")
        authority = _AUTHORITY.fullmatch(parts["authority"])
        if authority is None:
            raise _invalid(url, "names no host, or one in a notation that is not accepted")
        port = int(authority["port"] or _PORTS[scheme])
        if not 0 < port < 1 << 16:
            raise _invalid(url, f"names port {port}: a port is 1 to 65535")
        host, address = _host(url, authority["name"], authority["v6"])
        if address is not None:
            self.check_address(address)
        path = parts["path"] if parts["path"].startswith("/") else f"/{parts['path']}"
        return Target(
            scheme=scheme, host=host, port=port, path=quote(path, safe=_ASCII), address=address
        )

    def check_address(self, address: Address | str, *, host: str | None = None) -> Address:
        """The address to connect to, for one that a host name or a URL led to.

        ``host`` is the name that was resolved, so that the message does not tell what it led to.
        Raises `AddressForbidden`.
        """
        address = ip_address(address)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # this is where the system would connect
        if self._forbids(address):
            raise AddressForbidden(
                f"{host or address} {'leads to' if host else 'is'} a private address, which this"
                " server does not connect to unless EARMARK_ALLOW_ADDRESSES names it."
            )
        return address

    def _forbids(self, address: Address) -> bool:
        if any(address in network for network in self._allow):
            return False
        if isinstance(address, IPv4Address):
            return any(address in network for network in _FORBIDDEN_V4)
        if address in _NAT64:
            return self._forbids(IPv4Address(int(address) & 0xFFFF_FFFF))
        return address not in _GLOBAL_V6 or any(address in network for network in _FORBIDDEN_V6)


def shown_url(url: str) -> str:
    """What of a text that should be a URL may stand in a message: no query, user or password."""
    parts = _URL.fullmatch(url)
    text = re.split(r"[?#]", url, maxsplit=1)[0].rpartition("@")[2]
    if parts is not None:
        authority = parts["authority"].rpartition("@")[2]
        known = _AUTHORITY.fullmatch(authority) is not None  # or else it may be half a password
        path = parts["path"].partition("?")[0]
        text = f"{parts['scheme']}://{authority + path if known else '…'}"
    return repr(text if len(text) <= 200 else f"{text[:200]}…")


def _invalid(url: str, wrong: str) -> InvalidOption:
    return InvalidOption(f"{shown_url(url)} {wrong}.")


def _network(entry: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError as error:
        raise InvalidOption(
            f"EARMARK_ALLOW_ADDRESSES names {entry!r}, which is no address or network ({error}):"
            " give one such as 10.1.2.3 or 10.1.0.0/16."
        ) from error


def _host(url: str, name: str | None, v6: str | None) -> tuple[str, Address | None]:
    """The host in ASCII, and its address if it is one.

    Numbers in other notations than four decimals (octal, hexadecimal, one number, fewer parts)
    are addresses to some resolvers and names to others: they are refused.
    """
    try:
        if name is None:
            address: Address = IPv6Address(v6)
        else:
            if not name.isascii():
                name = idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
            name = name.lower().removesuffix(".")
            labels = name.split(".")
            if not _NUMBER.fullmatch(labels[-1]):
                if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
                    raise _invalid(url, "names a host that is no valid host name")
                return name, None
            address = IPv4Address(name)
    except idna.IDNAError as error:
        raise _invalid(url, "names a host that is no valid host name") from error
    except ValueError as error:
        raise _invalid(url, "names an address in a notation that is not accepted") from error
    return str(address), address
