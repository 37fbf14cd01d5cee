"""Which URLs and addresses events may be sent to: each of these was a way into somebody's internal network."""

from __future__ import annotations

import asyncio

import pytest

from rollbook.config import Networks
from rollbook.delivery.addresses import Addresses, Unresolved, UrlParts
from tests.delivery.receiver import names
from tests.grids import grid

NOT_PUBLIC = [
    # loopback, this network
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "::1",
    "::",
    # private, unique local, site-local
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    # link-local and metadata of clouds: AWS, Azure, Google, Oracle, Alibaba, ECS
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "fe80::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "168.63.129.16",
    "192.0.0.192",
    "100.100.100.200",
    # carrier NAT, benchmarking, documentation, protocol assignments, relays of 6to4
    "100.64.0.1",
    "100.127.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.0.0.8",
    "192.88.99.1",
    "2001:db8::1",
    "3fff::1",
    "2001:2::1",
    "2001:10::1",
    "100::1",
    "5f00::1",
    # multicast, reserved, broadcast
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "ff02::1",
    "ff0e::1",
    # IPv4 inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP; also where the IPv4 address is
    # public
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "2002:a9fe:a9fe::1",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001::1",
    "fe80::5efe:10.0.0.1",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.1.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "2400:cb00::1",
]


def resolved(address: str, allow: tuple[str, ...] = (), scheme: str = "https") -> str:
    """What is connected to when a name has this address, or why nothing is."""

    async def main() -> str:
        addresses = Addresses(Networks.parse(allow), look_up=names(a_example=[address]))
        try:
            [found] = await addresses.resolve(UrlParts(scheme == "https", "a.example", 443, "a.example", "/"))
        except Unresolved:
            return "none"
        return found

    return asyncio.run(main())


def literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@grid("address", NOT_PUBLIC)
def test_what_is_not_the_public_internet_is_refused_as_a_name_and_as_a_literal(address: str) -> None:
    assert resolved(address) == "none"
    with pytest.raises(ValueError, match="must have a public address"):
        Addresses(Networks()).check_url(f"https://{literal(address)}/hook")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_accepted_by_https_only(address: str) -> None:
    assert resolved(address) == address
    assert Addresses(Networks()).check_url(f"https://{literal(address)}/hook").host == address
    for allow in ((), ("10.0.0.0/8",)):
        assert resolved(address, allow, "http") == "none"
        with pytest.raises(ValueError, match="https://"):
            Addresses(Networks.parse(allow)).check_url(f"http://{literal(address)}/hook")


def test_one_address_that_is_not_accepted_refuses_the_name() -> None:
    async def main() -> None:
        addresses = Addresses(Networks(), look_up=names(a_example=["8.8.8.8", "2606:4700:4700::1111", "10.0.0.1"]))
        with pytest.raises(Unresolved):
            await addresses.resolve(addresses.check_url("https://a.example/"))

    asyncio.run(main())


def test_allowed_networks_are_accepted_by_http_too_and_nothing_beside_them() -> None:
    allow = ("10.0.0.0/8", "fd00::/8")
    for address in ("10.1.2.3", "fd00::1"):
        for scheme in ("http", "https"):
            assert resolved(address, allow, scheme) == address
            assert Addresses(Networks.parse(allow)).check_url(f"{scheme}://{literal(address)}:8080/").host == address
    for address in ("127.0.0.1", "192.168.0.1", "169.254.169.254", "::ffff:10.1.2.3", "fe80::1"):
        assert resolved(address, allow, "https") == "none"
    # A name may have an allowed address; without any allowed network, none can.
    assert Addresses(Networks.parse(allow)).check_url("http://n8n:5678/webhook").host == "n8n"
    with pytest.raises(ValueError, match="https://"):
        Addresses(Networks()).check_url("http://n8n:5678/webhook")


ODD_LITERALS = [
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f.0x0.0x0.0x1",
    "00.0.0.0",
    "127.0.0.01",
    "127.0.0.1.",
    "256.256.256.256",
    "1.2.3.4.5",
    "0",
    "0x",
    "a.b.1",
    "a.0x1",
    "4294967296",
    "[::1",
    "::1",
    "[::1]x",
    "[127.0.0.1]",
    "[::ffff:127.0.0.1%25eth0]",
    "[fe80::1%eth0]",
    "[1::2::3]",
    "[::g]",
    "[v1.x]",
]


@grid("host", ODD_LITERALS)
def test_ip_addresses_have_one_form(host: str) -> None:
    with pytest.raises(ValueError, match="must have"):
        Addresses(Networks.parse(["0.0.0.0/0", "::/0"])).check_url(f"https://{host}/")


REFUSED_URLS = [
    "",
    "/hook",
    "example.com",
    "//example.com/",
    "https:",
    "https://",
    "https:///hook",
    "https:/example.com/",
    "https:example.com",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "ws://example.com/",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://8.8.8.8@127.0.0.1/",
    "https://8.8.8.8:443@10.0.0.1:443/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:/",
    "https://example.com:x/",
    "https://example.com:1:2/",
    "https://example.com:４４３/",
    "https://example.com/#fragment",
    "https://example.com#@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://exam ple.com/",
    "https://example.com/a b",
    "https://example.com/\r\nHost: x",
    "https://example.com/\n",
    "\thttps://example.com/",
    "https://example.com/\0",
    "https://example.com/é",
    "https://exämple.com/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/",
    "https://example..com/",
    "https://.example.com/",
    "https://example.com./",
    "https://-example.com/",
    "https://example-.com/",
    "https://exa!mple.com/",
    "https://exa_mple.c*m/",
    f"https://{'a' * 64}.com/",
    f"https://{'a.' * 127}com/",
    f"https://example.com/{'a' * 2048}",
]


@grid("url", REFUSED_URLS)
def test_other_urls_are_refused_with_a_reason(url: str) -> None:
    with pytest.raises(ValueError, match="must .*\\."):
        Addresses(Networks.parse(["0.0.0.0/0", "::/0"])).check_url(url)


def test_credentials_in_a_url_get_a_reason_of_their_own() -> None:
    with pytest.raises(ValueError, match="user name or password"):
        Addresses(Networks()).check_url("https://user:password@example.com/")


def test_only_named_hosts_are_accepted_if_there_are_any() -> None:
    addresses = Addresses(Networks(), ("hooks.slack.com", "*.Example.com"))
    for url in ("https://HOOKS.slack.com/a", "https://a.example.com/", "https://a.b.example.com:8443/"):
        addresses.check_url(url)
    for url in (
        "https://example.com/",
        "https://notexample.com/",
        "https://a.example.com.evil.net/",
        "https://slack.com/",
        "https://8.8.8.8/",
    ):
        with pytest.raises(ValueError, match="allowed with --webhook-hosts"):
            addresses.check_url(url)


def test_urls_in_parts() -> None:
    def parts(url: str) -> UrlParts:
        return Addresses(Networks.parse(["10.0.0.0/8"])).check_url(url)

    assert parts("https://example.com") == UrlParts(True, "example.com", 443, "example.com", "/")
    assert parts("HTTPS://Example.COM:8443/Hook?a=B") == UrlParts(
        True, "example.com", 8443, "example.com:8443", "/Hook?a=B"
    )
    assert parts("https://example.com?a=/b") == UrlParts(True, "example.com", 443, "example.com", "/?a=/b")
    assert parts("https://[2606:4700::1]:444/x") == UrlParts(True, "2606:4700::1", 444, "[2606:4700::1]:444", "/x")
    assert parts("http://10.0.0.1/x") == UrlParts(False, "10.0.0.1", 80, "10.0.0.1", "/x")
    assert parts("https://xn--exmple-cua.com/@x:y") == UrlParts(
        True, "xn--exmple-cua.com", 443, "xn--exmple-cua.com", "/@x:y"
    )
    assert parts("http://my_service-1.internal/").host == "my_service-1.internal"
