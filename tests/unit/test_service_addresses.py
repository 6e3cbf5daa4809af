"""No notation of a forbidden address gets through the rules."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from earmark.errors import AddressForbidden, EarmarkError, InvalidOption
from earmark.service._addresses import MAX_URL, AddressRules, shown_url
from earmark.settings import Settings

RULES = AddressRules(allow_http=True)

# As the issue names them, and not as the code lists them.
FORBIDDEN_V4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "169.254.169.254/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
]
FORBIDDEN_V6 = [
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "2001:db8::/32",
    "3fff::/20",
    "100::/64",
    "5f00::/16",
    "64:ff9b:1::/48",
    "2001::/32",
    "2002::/16",
    "fd00:ec2::254/128",
    "fe80::a9fe:a9fe/128",
]


def _within(network: str) -> st.SearchStrategy[IPv4Address | IPv6Address]:
    return st.ip_addresses(network=network)


def _v4_within(network: str) -> st.SearchStrategy[IPv4Address]:
    return st.ip_addresses(v=4, network=network).map(lambda ip: IPv4Address(int(ip)))


forbidden_v4 = st.sampled_from(FORBIDDEN_V4).flatmap(_v4_within)
forbidden = st.sampled_from(FORBIDDEN_V4 + FORBIDDEN_V6).flatmap(_within)
public = st.ip_addresses().filter(
    lambda ip: (
        ip.is_global
        and not ip.is_multicast
        and not ip.is_reserved
        and not any(
            ip in ipaddress.ip_network(net)
            for net in [*FORBIDDEN_V4, *FORBIDDEN_V6, "2001::/23"]
            if ipaddress.ip_network(net).version == ip.version
        )
        and (ip.version == 4 or ip in IPv6Network("2000::/3"))
    )
)

public_v4 = public.filter(lambda ip: ip.version == 4)


def _octal(ip: IPv4Address) -> str:
    return ".".join(f"0{part:o}" for part in ip.packed)


def _hexadecimal(ip: IPv4Address) -> str:
    return ".".join(f"0x{part:x}" for part in ip.packed)


def _short(ip: IPv4Address) -> str:
    a, b, c, d = ip.packed
    return f"{a}.{b}.{c * 256 + d}"


def _shorter(ip: IPv4Address) -> str:
    return f"{ip.packed[0]}.{int(ip) & 0xFFFFFF}"


def _full_width(ip: IPv4Address) -> str:
    return "".join(chr(ord(c) - ord("0") + ord("０")) if c.isdigit() else c for c in str(ip))


V4_NOTATIONS: dict[str, Callable[[IPv4Address], str]] = {
    "plain": str,
    "decimal": lambda ip: str(int(ip)),
    "hexadecimal number": lambda ip: hex(int(ip)),
    "octal number": lambda ip: f"0{int(ip):o}",
    "octal": _octal,
    "hexadecimal": _hexadecimal,
    "short": _short,
    "shorter": _shorter,
    "full width": _full_width,
    "ideographic full stops": lambda ip: str(ip).replace(".", "。"),
    "full-width full stops": lambda ip: str(ip).replace(".", "．"),
    "half-width full stops": lambda ip: str(ip).replace(".", "｡"),
    "trailing dot": lambda ip: f"{ip}.",
    "percent-encoded": lambda ip: "".join(f"%{ord(c):02x}" for c in str(ip)),
    "percent-encoded dots": lambda ip: str(ip).replace(".", "%2e"),
    "padded": lambda ip: ".".join(f"{part:03d}" for part in ip.packed),
    "mapped": lambda ip: f"[::ffff:{ip}]",
    "mapped, in hexadecimal": lambda ip: f"[{IPv6Address(0xFFFF << 32 | int(ip))}]",
    "mapped, written out": lambda ip: f"[{IPv6Address(0xFFFF << 32 | int(ip)).exploded}]",
    "compatible": lambda ip: f"[{IPv6Address(int(ip))}]",
    "6to4": lambda ip: f"[{IPv6Address(0x2002 << 112 | int(ip) << 80)}]",
    "Teredo": lambda ip: f"[{IPv6Address(0x20010000 << 96 | (int(ip) ^ 0xFFFFFFFF))}]",
    "NAT64": lambda ip: f"[{IPv6Address((0x64FF9B << 96) | int(ip))}]",
    "local NAT64": lambda ip: f"[{IPv6Address((0x64FF9B0001 << 80) | int(ip))}]",
    "in brackets": lambda ip: f"[{ip}]",
    "user name in front": lambda ip: f"example.com@{ip}",
    "backslash in front": lambda ip: f"example.com\\@{ip}",
    "scope": lambda ip: f"[::ffff:{ip}%25eth0]",
}
ACCEPTED_NOTATIONS = {"plain", "full width", "trailing dot", "mapped", "NAT64"} | {
    notation for notation in V4_NOTATIONS if notation.endswith("full stops")
}


@pytest.mark.parametrize("notation", V4_NOTATIONS)
@given(address=forbidden_v4)
def test_no_notation_or_embedding_of_a_forbidden_address_is_let_through(
    notation: str, address: IPv4Address
) -> None:
    with pytest.raises((AddressForbidden, InvalidOption)):
        RULES.check_url(f"http://{V4_NOTATIONS[notation](address)}/call.wav")


@pytest.mark.parametrize("notation", sorted(ACCEPTED_NOTATIONS))
@given(address=public_v4)
def test_a_public_address_is_let_through_in_the_notations_that_are_accepted(
    notation: str, address: IPv4Address
) -> None:
    target = RULES.check_url(f"http://{V4_NOTATIONS[notation](address)}/call.wav")
    assert target.address is not None
    assert int(target.address) & 0xFFFFFFFF == int(address)


@given(address=forbidden)
def test_no_forbidden_address_is_connected_to(address: IPv4Address | IPv6Address) -> None:
    with pytest.raises(AddressForbidden, match=r"EARMARK_ALLOW_ADDRESSES"):
        RULES.check_address(address)
    with pytest.raises(AddressForbidden) as refused:
        RULES.check_address(str(address), host="name.example")
    assert str(address) not in str(refused.value)
    assert "name.example leads to a private address" in str(refused.value)


@given(address=public)
def test_public_addresses_are_connected_to(address: IPv4Address | IPv6Address) -> None:
    assert RULES.check_address(str(address)) == address


@given(address=st.ip_addresses())
def test_nothing_that_the_standard_library_calls_special_is_let_through(
    address: IPv4Address | IPv6Address,
) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )
    assume(special)
    judged_by_what_is_inside = [IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")]
    assume(not any(address in network for network in judged_by_what_is_inside))
    with pytest.raises(AddressForbidden):
        RULES.check_address(address)


@given(address=forbidden, other=forbidden)
def test_an_allowed_address_is_let_through_and_no_other(
    address: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address
) -> None:
    assume(address != other)
    rules = AddressRules(allow=[str(address)])
    assert rules.check_address(address) == address
    with pytest.raises(AddressForbidden):
        rules.check_address(other)


def test_an_allowed_network_holds_for_the_embeddings_that_are_judged_by_it() -> None:
    rules = AddressRules(allow=["10.1.0.0/16", "fd12::/64"])
    assert rules.check_address("10.1.255.255") == IPv4Address("10.1.255.255")
    assert rules.check_address("::ffff:10.1.2.3") == IPv4Address("10.1.2.3")
    assert rules.check_address("64:ff9b::10.1.2.3") == IPv6Address("64:ff9b::a01:203")
    assert rules.check_address("fd12::1") == IPv6Address("fd12::1")
    for refused in ("10.2.0.0", "::ffff:10.2.0.0", "64:ff9b::10.2.0.0", "fd12:0:0:1::1"):
        with pytest.raises(AddressForbidden):
            rules.check_address(refused)


@pytest.mark.parametrize("entry", ["localhost", "10.0.0.1/8", "10.0.0", "", "10.0.0.0/33"])
def test_an_entry_that_is_no_network_is_named(entry: str) -> None:
    with pytest.raises(InvalidOption, match=re.escape(repr(entry))):
        AddressRules(allow=[entry])


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("", "no URL"),
        ("call.wav", "no URL"),
        ("//example.com/call.wav", "no URL"),
        ("file:///etc/passwd", "no URL"),
        ("ftp://example.com/call.wav", "no URL"),
        ("gopher://example.com/", "no URL"),
        ("https:/example.com/", "no URL"),
        ("https:example.com", "no URL"),
        ("https://", "no host"),
        ("https:///call.wav", "no host"),
        ("https://:443/", "no host"),
        ("https://./", "no valid host name"),
        ("https://a..b/", "no valid host name"),
        ("https://-a.example/", "no valid host name"),
        ("https://a!b.example/", "no valid host name"),
        (f"https://{'a' * 64}.example/", "no valid host name"),
        (f"https://{'a.' * 127}a/", "no valid host name"),
        ("https://xn--a／b.example/", "no valid host name"),
        ("https://ａ％2fb.example/", "no valid host name"),
        ("https://%65xample.com/", "no host"),
        ("https://example.com:0/", "port 0"),
        ("https://example.com:65536/", "port 65536"),
        ("https://example.com:٤٤٣/", "no host"),
        ("https://example.com:-1/", "no host"),
        ("https://[::1/", "no host"),
        ("https://[::1]example.com/", "no host"),
        ("https://[fe80::1%25eth0]/", "no host"),
        ("https://[1.2.3.4]/", "notation"),
        ("https://2130706433/", "notation"),
        ("https://0x7f.1/", "notation"),
        ("https://example.1/", "notation"),
        ("https://user@example.com/", "user name"),
        ("https://@example.com/", "user name"),
        (" https://example.com/", "spaces"),
        ("https://example.com/a b", "spaces"),
        ("https://example.com/\n", "spaces"),
        ("https://exa\tmple.com/", "spaces"),
        ("https://exa\u00admple.com/", "spaces"),
        ("https://exa\u200bmple.com/", "spaces"),
        ("https://example.com\\@127.0.0.1/", "backslashes"),
        ("https://example.com/\x00", "control"),
        ("https://example.com/\ud800", "control"),
    ],
)
def test_what_is_no_url_is_refused_in_one_sentence(url: str, wrong: str) -> None:
    with pytest.raises(InvalidOption, match=wrong) as refused:
        RULES.check_url(url)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_a_url_may_have_as_many_characters_as_are_accepted_and_not_one_more() -> None:
    longest = "https://example.com/".ljust(MAX_URL, "a")
    assert RULES.check_url(longest).url == longest
    with pytest.raises(InvalidOption, match=str(MAX_URL + 1)):
        RULES.check_url(longest + "a")


def test_plain_http_is_for_those_who_allow_it() -> None:
    with pytest.raises(AddressForbidden, match="plain HTTP"):
        AddressRules().check_url("http://example.com/?secret")
    assert RULES.check_url("http://example.com/").port == 80


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/A", "https://example.com/A"),
        ("https://example.com.:8443/", "https://example.com:8443/"),
        ("https://example.com:/", "https://example.com/"),
        ("https://example.com?a=b", "https://example.com/?a=b"),
        ("https://example.com/a?b=1#part", "https://example.com/a?b=1"),
        ("https://bücher.example/é?ü", "https://xn--bcher-kva.example/%C3%A9?%C3%BC"),
        ("https://my_bucket.s3.example/%20/%2e", "https://my_bucket.s3.example/%20/%2e"),
        ("https://ｅｘａｍｐｌｅ。com/", "https://example.com/"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/"),
        ("http://[2606:4700::1111]:80/", "http://[2606:4700::1111]/"),
        ("https://example.com/@a:b", "https://example.com/@a:b"),
    ],
)
def test_a_url_is_brought_to_one_form(url: str, canonical: str) -> None:
    target = RULES.check_url(url)
    assert target.url == canonical
    assert RULES.check_url(target.url) == target
    parts = urlsplit(target.url)
    assert (parts.scheme, parts.hostname) == (target.scheme, target.host)
    assert (parts.port or {"http": 80, "https": 443}[target.scheme]) == target.port


@given(text=st.text(max_size=60) | st.from_regex(r"https?://[!-~]{0,30}", fullmatch=True))
def test_any_text_is_taken_apart_or_refused(text: str) -> None:
    try:
        target = RULES.check_url(text)
    except EarmarkError:
        return
    assert target.url.isascii()
    assert RULES.check_url(target.url) == target


@pytest.mark.parametrize(
    "url",
    [
        "https://user:SECRET@example.com/a",
        "https://SECRET@example.com/a",
        "http://user:SECRET@10.0.0.1/?x",
        "https://user:SECRET@example.com:0/a?SECRET#SECRET",
        "https://user:SEC?SECRET@example.com/a",
        "https://user:SECRET/more@example.com/a",
        "https://exa mple.com/a?token=SECRET",
        "https://exa mple.com/a?token=a@b&SECRET",
        "ftp://user:SECRET@example.com/a?SECRET",
        "user:SECRET@example.com/a",
        "https://10.0.0.1/a?SECRET",
        "https://a..b/a?SECRET",
    ],
)
def test_no_secret_of_a_url_is_shown(url: str) -> None:
    with pytest.raises(EarmarkError) as refused:
        RULES.check_url(url)
    assert "SEC" not in str(refused.value)
    assert "SEC" not in shown_url(url)
    target = RULES.check_url("https://example.com/a?SECRET")
    assert "SEC" not in repr(target) + target.shown


def test_a_forbidden_network_has_been_tried_to_its_edges() -> None:
    for text in FORBIDDEN_V4 + FORBIDDEN_V6:
        network = ipaddress.ip_network(text)
        assert isinstance(network, IPv4Network | IPv6Network)
        for address in (network.network_address, network.broadcast_address):
            with pytest.raises(AddressForbidden):
                RULES.check_address(address)


def test_outbound_connections_can_be_switched_off() -> None:
    rules = AddressRules.of(Settings(outbound=False, allow_addresses=("203.0.113.7",)))
    for url in ("https://example.com/a.wav", "https://203.0.113.7/a.wav"):
        with pytest.raises(AddressForbidden, match="EARMARK_OUTBOUND"):
            rules.check_url(url)
