"""What HTTP allows is answered, what it forbids is refused with JSON, and no bytes are ever read as another request
than the client meant.

Each case goes over a raw socket; `test_reader` cuts them into pieces.
"""

from __future__ import annotations

import itertools

import pytest
from wire import Answer, Server

from tests.grids import grid

HOST = b"Host: api.example.com\r\n"
END = b"\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + END


def get(
    target: bytes = b"/", *lines: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1", host: bytes = HOST
) -> bytes:
    return method + b" " + target + b" " + version + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + END


def post(body: bytes, *lines: bytes) -> bytes:
    return get(b"/", *lines, method=b"POST") + body


# name: bytes, status of each answer; the connection then stays open.
KEPT: dict[str, tuple[bytes, list[int]]] = {
    "get": (get(), [200]),
    "get with query": (get(b"/v1/users?limit=2&offset=0"), [200]),
    "empty query": (get(b"/v1/users?"), [200]),
    "percent-encoded path": (get(b"/v1/%75sers"), [200]),
    "utf-8 in the path": (get(b"/caf%C3%A9"), [200]),
    "odd characters in the path": (get(b"/<>\"{}|\\^`~!$&'()*+,;=:@"), [200]),
    "double slash": (get(b"//v1//users"), [200]),
    "spaces, which may be several (RFC 9112 section 3)": (b"GET  /   HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    "dot segments are not resolved": (get(b"/v1/../admin"), [200]),
    "bad percent in the query is the application's": (get(b"/?a=%zz"), [200]),
    "absolute form": (get(b"http://api.example.com/v1/users?limit=1"), [200]),
    "absolute form, other case": (get(b"HTTP://API.example.COM/v1/users"), [200]),
    "absolute form without a path": (get(b"http://api.example.com"), [200]),
    "absolute form, only a query": (get(b"http://api.example.com?a=b"), [200]),
    "absolute form with a port": (get(b"http://api.example.com:8000/", host=b"Host: api.example.com:8000\r\n"), [200]),
    "absolute form, https": (get(b"https://api.example.com/"), [200]),
    "host with a port": (get(host=b"Host: localhost:8000\r\n"), [200]),
    "host is IPv4": (get(host=b"Host: 192.0.2.1\r\n"), [200]),
    "host is IPv6": (get(host=b"Host: [2001:db8::1]:8000\r\n"), [200]),
    "host with an underscore": (get(host=b"Host: my_service\r\n"), [200]),
    "header name in any case": (get(b"/", b"hOsT-oTher: 1"), [200]),
    "empty header value": (get(b"/", b"X-Empty:"), [200]),
    "header value of latin-1": (get(b"/", b"X-Name: caf\xe9"), [200]),
    "tab in a header value": (get(b"/", b"X-Tab: a\tb"), [200]),
    "repeated header": (get(b"/", b"X-Many: a", b"X-Many: b"), [200]),
    "a hundred fields": (get(b"/", *(b"X-%d: 1" % n for n in range(99))), [200]),
    "long header": (get(b"/", b"X-Long: " + b"a" * 30_000), [200]),
    "longest target": (get(b"/" + b"a" * 1023), [200]),
    "blank lines before the request": (b"\r\n\r\n" + get(), [200]),
    "body by length": (post(b"hello", b"Content-Length: 5"), [200]),
    "length zero": (post(b"", b"Content-Length: 0"), [200]),
    "length with zeros before": (post(b"hello", b"Content-Length: 0005"), [200]),
    "no length, no body": (post(b""), [200]),
    "body of a GET": (get(b"/", b"Content-Length: 5") + b"hello", [200]),
    "body of the largest size": (post(b"x" * 4096, b"Content-Length: 4096"), [200]),
    "chunks": (CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", [200]),
    "no chunk": (CHUNKED + b"0\r\n\r\n", [200]),
    "chunk extension": (CHUNKED + b'5;a=b;c="d"\r\nhello\r\n0\r\n\r\n', [200]),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n", [200]),
    "chunk size in upper-case hex": (CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", [200]),
    "coding in any case": (post(b"0\r\n\r\n", b"Transfer-Encoding: CHUNKED"), [200]),
    "chunks of the largest size": (
        CHUNKED + b"800\r\n" + b"x" * 2048 + b"\r\n800\r\n" + b"x" * 2048 + b"\r\n0\r\n\r\n",
        [200],
    ),
    "connection: keep-alive": (get(b"/", b"Connection: keep-alive"), [200]),
    "websocket wish is ignored": (
        get(b"/", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
        [200],
    ),
    "h2c wish is ignored": (
        get(b"/", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAM"),
        [200],
    ),
    "h2c wish with a body": (post(b"hello", b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5"), [200]),
    "h2c wish with chunks": (
        post(b"5\r\nhello\r\n0\r\n\r\n", b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked"),
        [200],
    ),
    "upgrade, then another request": (get(b"/", b"Connection: upgrade", b"Upgrade: websocket") + get(), [200, 200]),
    "three hundred wishes in one packet": (get(b"/", b"Connection: upgrade", b"Upgrade: a") * 300, [200] * 300),
    "body that looks like a request": (post(SMUGGLED, b"Content-Length: %d" % len(SMUGGLED)), [200]),
    "the same after an upgrade": (
        post(SMUGGLED, b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % len(SMUGGLED)),
        [200],
    ),
    "chunk that looks like a request": (CHUNKED + b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n", [200]),
    "three in one packet": (get(b"/1") + get(b"/2") + get(b"/3"), [200, 200, 200]),
    "bodies in one packet": (post(b"hello", b"Content-Length: 5") + CHUNKED + b"0\r\n\r\n" + get(), [200, 200, 200]),
    "slow, then fast": (get(b"/slow") + get(b"/turns") + get(), [200, 200, 200]),
    "slow, then refused": (get(b"/slow") + get(b"/%zz") + get(), [200, 400, 200]),
    "options of the server": (get(b"*", method=b"OPTIONS"), [200]),
    "options of a path": (get(method=b"OPTIONS"), [200]),
    "no content": (get(b"/empty"), [204]),
    "not modified": (get(b"/unchanged"), [304]),
    "expectation without a body": (get(b"/", b"Expect: 100-continue"), [200]),
    "handler that raises": (get(b"/raises"), [500]),
    "handler that raises later": (get(b"/raises-later"), [500]),
    "handler that is cancelled": (get(b"/cancelled"), [500]),
    "asterisk for another method": (get(b"*"), [400]),
    "percent without digits": (get(b"/%"), [400]),
    "percent with one digit": (get(b"/a%2"), [400]),
    "percent with letters": (get(b"/%zz"), [400]),
    "path that is not utf-8": (get(b"/%ff%fe"), [400]),
    "overlong utf-8": (get(b"/%c0%af"), [400]),
    "surrogate in utf-8": (get(b"/%ed%a0%80"), [400]),
    "NUL in the path": (get(b"/users%00"), [400]),
    "line feed in the path": (get(b"/users%0a"), [400]),
    "CRLF in the path": (get(b"/users%0d%0aX-Injected:%201"), [400]),
    "encoded slash": (get(b"/v1%2fusers"), [404]),
    "encoded slash in upper case": (get(b"/v1%2Fusers"), [404]),
    "encoded backslash": (get(b"/v1%5cusers"), [404]),
    "fragment": (get(b"/v1/users#a"), [400]),
    "trace": (get(method=b"TRACE"), [405]),
    "absolute form of another host": (get(b"http://evil.example/"), [400]),
    "absolute form of another port": (get(b"http://api.example.com:81/"), [400]),
    "absolute form with a user": (get(b"http://user@api.example.com/"), [400]),
    "absolute form without a host": (get(b"http:///v1/users"), [400]),
    "absolute form, ftp": (get(b"ftp://api.example.com/"), [400]),
} | {
    f"method {method}": (get(method=method.encode()), [200])
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "PURGE", "QUERY", "LINK", "SEARCH", "MKCOL")
}

# The same, but the connection ends after the answers.
CLOSED: dict[str, tuple[bytes, list[int]]] = {
    "connection: close": (get(b"/", b"Connection: close"), [200]),
    "close, then more": (get(b"/", b"Connection: close") + SMUGGLED, [200]),
    "close among other options": (get(b"/", b"Connection: x, Close"), [200]),
    "close and keep-alive": (get(b"/", b"Connection: close", b"Connection: keep-alive"), [200]),
    "upgrade and close": (get(b"/", b"Connection: upgrade, close", b"Upgrade: websocket") + SMUGGLED, [200]),
    "http/1.0": (get(version=b"HTTP/1.0"), [200]),
    "http/1.0 without host": (get(version=b"HTTP/1.0", host=b""), [200]),
    "http/1.0 keep-alive": (get(b"/", b"Connection: keep-alive", version=b"HTTP/1.0"), [200]),
    "http/1.0 with a body": (get(b"/", b"Content-Length: 5", method=b"POST", version=b"HTTP/1.0") + b"hello", [200]),
    "slow and close": (get(b"/slow", b"Connection: close") + SMUGGLED, [200]),
    "no host": (get(host=b""), [400]),
    "two hosts": (get(b"/", b"Host: b"), [400]),
    "two hosts, the same": (get(b"/", b"Host: api.example.com"), [400]),
    "two hosts in http/1.0": (get(b"/", b"Host: b", version=b"HTTP/1.0"), [400]),
    "empty host": (get(host=b"Host:\r\n"), [400]),
    "host with a path": (get(host=b"Host: a/b\r\n"), [400]),
    "host with a user": (get(host=b"Host: u@a\r\n"), [400]),
    "host with a space": (get(host=b"Host: a b\r\n"), [400]),
    "host with a comma and space": (get(host=b"Host: a, b\r\n"), [400]),
    "host with a bad port": (get(host=b"Host: a:b\r\n"), [400]),
    "host with two ports": (get(host=b"Host: a:1:2\r\n"), [400]),
    "host of a port alone": (get(host=b"Host: :80\r\n"), [400]),
    "host that is not ascii": (get(host=b"Host: caf\xc3\xa9\r\n"), [400]),
    "host with markup": (get(host=b"Host: <script>\r\n"), [400]),
    "length and chunks": (post(b"0\r\n\r\n" + SMUGGLED, b"Content-Length: 5", b"Transfer-Encoding: chunked"), [400]),
    "chunks and length": (post(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: chunked", b"Content-Length: 5"), [400]),
    "two lengths": (post(b"hello" + SMUGGLED, b"Content-Length: 5", b"Content-Length: 6"), [400]),
    "two lengths, the same": (post(b"hello" + SMUGGLED, b"Content-Length: 5", b"Content-Length: 5"), [400]),
    "list of lengths": (post(b"hello", b"Content-Length: 5, 5"), [400]),
    "length with a sign": (post(b"hello", b"Content-Length: +5"), [400]),
    "negative length": (post(b"hello", b"Content-Length: -5"), [400]),
    "length in hex": (post(b"hello", b"Content-Length: 0x5"), [400]),
    "length with a fraction": (post(b"hello", b"Content-Length: 5.0"), [400]),
    "length with a space": (post(b"hello", b"Content-Length: 1 2"), [400]),
    "length with an underscore": (post(b"hello", b"Content-Length: 1_0"), [400]),
    "empty length": (post(b"hello", b"Content-Length:"), [400]),
    "length beyond 64 bits": (post(b"hello", b"Content-Length: 99999999999999999999"), [400]),
    "coding gzip": (post(b"hello", b"Transfer-Encoding: gzip"), [400]),
    "coding identity": (post(b"hello", b"Transfer-Encoding: identity"), [400]),
    "coding gzip, chunked": (post(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: gzip, chunked"), [400]),
    "coding chunked, gzip": (post(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: chunked, gzip"), [400]),
    "coding chunked twice": (post(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: chunked, chunked"), [400]),
    "two codings": (post(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), [400]),
    "two codings, one unknown": (
        post(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"),
        [400],
    ),
    "coding with a comma before": (post(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: ,chunked"), [400]),
    "coding with a parameter": (post(b"0\r\n\r\n", b"Transfer-Encoding: chunked;q=1"), [400]),
    "coding in quotes": (post(b"0\r\n\r\n", b'Transfer-Encoding: "chunked"'), [400]),
    "coding xchunked": (post(b"0\r\n\r\n", b"Transfer-Encoding: xchunked"), [400]),
    "coding with a vertical tab": (post(b"0\r\n\r\n", b"Transfer-Encoding: \x0bchunked"), [400]),
    "coding with a space before the colon": (post(b"0\r\n\r\n", b"Transfer-Encoding : chunked"), [400]),
    "coding with a tab after it": (post(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: chunked\t"), [400]),
    "coding with a tab after it, and another protocol": (
        post(b"0\r\n\r\n" + SMUGGLED, b"Connection: upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked\t"),
        [400],
    ),
    "coding on a folded line": (post(b"0\r\n\r\n", b"Transfer-Encoding:\r\n chunked"), [400]),
    "empty coding": (post(b"hello", b"Transfer-Encoding:"), [400]),
    "chunks in http/1.0": (
        get(b"/", b"Transfer-Encoding: chunked", method=b"POST", version=b"HTTP/1.0") + b"0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "chunk size is no number": (CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n", [400]),
    "chunk size is negative": (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", [400]),
    "chunk size with 0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", [400]),
    "chunk size overflows": (CHUNKED + b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n", [400]),
    "chunk size with a space before": (CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n", [400]),
    "chunk size with a space behind": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", [400]),
    "chunk longer than it says": (CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n", [400]),
    "chunk without its end": (CHUNKED + b"5\r\nhello0\r\n\r\n", [400]),
    "chunk size ended by a line feed": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", [400]),
    "chunk ended by a line feed": (CHUNKED + b"5\r\nhello\n0\r\n\r\n", [400]),
    "chunk extension with a line feed": (CHUNKED + b"5;\nxx\r\nhello\r\n0\r\n\r\n", [400]),
    "chunk extension with a control character": (CHUNKED + b"5;\x01\r\nhello\r\n0\r\n\r\n", [400]),
    "empty chunk size": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", [400]),
    "trailer with a length": (CHUNKED + b"0\r\nContent-Length: 50\r\n\r\n" + SMUGGLED, [400]),
    "trailer with a line feed": (CHUNKED + b"0\r\nX: y\n\r\n" + SMUGGLED, [400]),
    "line feeds for CRLF": (b"GET / HTTP/1.1\nHost: a\n\n", [400]),
    "carriage returns for CRLF": (b"GET / HTTP/1.1\rHost: a\r\r\n", [400]),
    "carriage return in a value": (get(b"/", b"X: a\rb"), [400]),
    "NUL in a value": (get(b"/", b"X: a\0b"), [400]),
    "control character in a value": (get(b"/", b"X: a\x01b"), [400]),
    "delete in a value": (get(b"/", b"X: a\x7fb"), [400]),
    "escape in a value": (get(b"/", b"X: \x1b[31m"), [400]),
    "folded line": (get(b"/", b"X: a\r\n b"), [400]),
    "space before the first field": (get(host=b" Host: a\r\n"), [400]),
    "space before the colon": (get(b"/", b"X : a"), [400]),
    "field without a colon": (get(b"/", b"nonsense"), [400]),
    "field without a name": (get(b"/", b": a"), [400]),
    "field name with a space": (get(b"/", b"X Y: a"), [400]),
    "field name that is not ascii": (get(b"/", b"\xc3\xa9: a"), [400]),
    "two authorizations": (get(b"/", b"Authorization: Bearer a", b"Authorization: Bearer b"), [400]),
    "another expectation": (post(b"", b"Expect: 200-ok", b"Content-Length: 5"), [400]),
    "another expectation without a body": (get(b"/", b"Expect: magic"), [400]),
    "http/2.0": (get(version=b"HTTP/2.0"), [400]),
    "http/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "http/0.9": (b"GET /\r\n\r\n", [400]),
    "http/1.2": (get(version=b"HTTP/1.2"), [400]),
    "http/3": (get(version=b"HTTP/3"), [400]),
    "http/1.10": (get(version=b"HTTP/1.10"), [400]),
    "http in lower case": (get(version=b"http/1.1"), [400]),
    "no version number": (get(version=b"HTTP/"), [400]),
    "space in the target": (get(b"/a b"), [400]),
    "tab in the target": (get(b"/a\tb"), [400]),
    "control character in the target": (get(b"/a\x01"), [400]),
    "raw utf-8 in the target": (get(b"/caf\xc3\xa9"), [400]),
    "raw byte in the query": (get(b"/?q=\xff"), [400]),
    "target without a slash": (get(b"v1/users"), [400]),
    "target that is a query": (get(b"?a=b"), [400]),
    "authority form": (get(b"api.example.com:80"), [400]),
    "unknown scheme": (get(b"x-y://a/"), [400]),
    "upgrade, then broken": (get(b"/", b"Connection: upgrade", b"Upgrade: websocket") + get(host=b""), [200, 400]),
    "h2c wish with bad chunks": (
        post(b"zz\r\n" + SMUGGLED, b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked"),
        [400],
    ),
    "connect": (get(b"api.example.com:443", method=b"CONNECT") + SMUGGLED, [405]),
    "connect to a path": (get(method=b"CONNECT") + SMUGGLED, [405]),
    "connect with a body": (get(b"/", b"Content-Length: %d" % len(SMUGGLED), method=b"CONNECT") + SMUGGLED, [405]),
    "method with a slash": (get(method=b"GE/T"), [400]),
    "tab after the method": (b"GET\t/ HTTP/1.1\r\n" + HOST + END, [400]),
    "TLS where none is spoken": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32, [400]),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", [400]),
    "too long a target": (get(b"/" + b"a" * 1024), [414]),
    "far too long a target": (get(b"/" + b"a" * 200_000), [414]),
    "too long a query": (get(b"/?" + b"a" * 2000), [414]),
    "too many fields": (get(b"/", *(b"X-%d: 1" % n for n in range(100))), [431]),
    "too many of the same field": (get(b"/", *(b"X: 1" for _ in range(100))), [431]),
    "thirty thousand fields": (get(b"/", *(b"X-%d: 1" % n for n in range(30_000))), [431]),
    "too large fields": (get(b"/", *(b"X-%d: " % n + b"a" * 4000 for n in range(9))), [431]),
    "one endless field": (get(b"/", b"X: " + b"a" * 200_000), [431]),
    "one endless field name": (get(b"/", b"X" * 200_000 + b": a"), [431]),
    "body too large by its length": (post(b"x" * 100, b"Content-Length: 4097"), [413]),
    "body far too large by its length": (post(b"x" * 100, b"Content-Length: 10000000000"), [413]),
    "body too large by its chunks": (CHUNKED + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 5 + b"0\r\n\r\n", [413]),
    "endless chunk extension": (CHUNKED + b"5;" + b"a" * 300_000, [413]),
    "good, then broken": (get() + get(host=b"") + SMUGGLED, [200, 400]),
    "slow, then broken": (get(b"/slow") + b"nonsense\r\n\r\n", [200, 400]),
    "slow, then too large": (get(b"/slow") + post(b"", b"Content-Length: 5000"), [200, 413]),
}


@grid("name", KEPT)
def test_the_message_is_answered_and_the_connection_goes_on(server: Server, name: str) -> None:
    sent, statuses = KEPT[name]
    with server.client() as client:
        client.send(sent)
        for status in statuses:
            _check(client.read(), status)
        after = client.get("/after")
        assert after.json["path"] == "/after"
        assert after.json["body"] == ""


@grid("name", CLOSED)
def test_the_message_is_answered_and_the_connection_ends(server: Server, name: str) -> None:
    sent, statuses = CLOSED[name]
    with server.client() as client:
        client.send(sent)
        for status in statuses:
            answer = client.read()
            _check(answer, status)
        assert answer.headers["connection"] == "close"
        assert client.at_end()


METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"BREW")
TARGETS = (
    b"/",
    b"/a?b=c",
    b"*",
    b"http://api.example.com/a",
    b"http://evil.example/",
    b"api.example.com:80",
    b"",
    b"/%zz",
    b"/%2f",
)


def test_every_method_on_every_kind_of_target_gets_an_answer(server: Server) -> None:
    for method, target in itertools.product(METHODS, TARGETS):
        with server.client() as client:
            client.send(get(target, method=method))
            answer = client.read(head=method == b"HEAD")
            assert answer.status < 500, (method, target)
            if method in (b"TRACE", b"CONNECT") and target.startswith(b"/"):
                assert answer.status in (400, 404, 405), (method, target)
            if method == b"HEAD" and target.startswith(b"/") and b"%" not in target:
                assert answer.status == 200, target
                assert int(answer.headers["content-length"]) > 0, target


def test_what_the_application_sees_is_what_was_sent(server: Server) -> None:
    with server.client() as client:
        client.send(
            b"POST /caf%C3%A9?q=%41&r= HTTP/1.1\r\nHost: a\r\nX-Many: 1\r\nx-many: 2\r\nCookie: a=1\r\nCookie: b=2\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-Many: 3\r\nAuthorization: Bearer "
            b"x\r\n\r\n"
        )
        seen = client.read().json
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("POST", "/café", "q=%41&r=", "abcdef")
    assert seen["headers"] == {"host": "a", "x-many": "1, 2", "cookie": "a=1; b=2", "transfer-encoding": "chunked"}
    assert (seen["address"], seen["secure"]) == ("127.0.0.1", False)


def test_a_body_after_an_upgrade_wish_reaches_the_application(server: Server) -> None:
    with server.client() as client:
        client.send(KEPT["the same after an upgrade"][0])
        seen = client.read().json
    assert seen["method"] == "POST"
    assert seen["body"].encode() == SMUGGLED


def test_a_chunked_body_in_pieces_of_seven_bytes_is_whole(server: Server) -> None:
    body = bytes(97 + n % 26 for n in range(2000))
    chunks = (
        b"".join(b"7\r\n%b\r\n" % body[n : n + 7] for n in range(0, 1995, 7)) + b"5\r\n%b\r\n0\r\n\r\n" % body[1995:]
    )
    with server.client() as client:
        client.send(CHUNKED + chunks, 7)
        assert client.read().json["body"].encode() == body


def test_the_answer_to_head_has_the_length_but_no_body(server: Server) -> None:
    with server.client() as client:
        full = client.get("/big?bytes=1234")
        client.send(get(b"/big?bytes=1234", method=b"HEAD"))
        head = client.read(head=True)
        assert head.headers["content-length"] == full.headers["content-length"] == "1234"
        assert client.get().status == 200  # nothing else was sent in between


@pytest.mark.parametrize("path", ["/empty", "/unchanged"])
def test_answers_without_a_body_have_no_length(server: Server, path: str) -> None:
    with server.client() as client:
        assert "content-length" not in client.get(path).headers
        assert client.get().status == 200


def test_every_answer_has_the_fields_the_transport_adds(server: Server) -> None:
    with server.client() as client:
        answers = [client.get(), client.get("/%zz"), client.get("/slow")]
    ids = set()
    for answer in answers:
        assert answer.headers["date"].endswith(" GMT")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == len(answers)
    assert answers[0].json["id"] == answers[0].headers["x-request-id"]
    assert answers[1].json["request_id"] == answers[1].headers["x-request-id"]


@pytest.mark.parametrize("method", [b"TRACE", b"CONNECT", b"BREW", b"get"])
def test_405_names_the_methods_there_are(server: Server, method: bytes) -> None:
    with server.client() as client:
        client.send(get(method=method))
        answer = client.read()
        assert answer.status == 405
        assert "GET" in answer.headers["allow"]


class TestExpect:
    """RFC 9110 section 10.1.1."""

    HEAD = post(b"", b"Expect: 100-continue", b"Content-Length: 5")

    def test_the_body_is_asked_for(self, server: Server) -> None:
        with server.client() as client:
            client.send(self.HEAD)
            assert client.read().status == 100
            client.send(b"hello")
            assert client.read().json["body"] == "hello"

    def test_a_body_that_is_too_large_is_not_asked_for(self, server: Server) -> None:
        with server.client() as client:
            client.send(post(b"", b"Expect: 100-continue", b"Content-Length: 5000"))
            assert client.read().status == 413

    def test_it_waits_for_the_answers_before_it(self, server: Server) -> None:
        with server.client() as client:
            client.send(get(b"/slow") + self.HEAD)
            assert [client.read().status, client.read().status] == [200, 100]
            client.send(b"hello")
            assert client.read().json["body"] == "hello"

    def test_a_client_that_does_not_wait_is_served(self, server: Server) -> None:
        with server.client() as client:
            client.send(self.HEAD + b"hello")
            first = client.read()
            assert (client.read() if first.status == 100 else first).json["body"] == "hello"

    def test_http_1_0_gets_no_interim_answer(self, server: Server) -> None:
        with server.client() as client:
            client.send(self.HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"))
            client.send(b"hello")
            assert client.read().json["body"] == "hello"


class TestRefusedWhileSending:
    """A client that is still sending when it is refused can read why: the connection is not reset under it."""

    @pytest.mark.parametrize(
        ("start", "status"),
        [
            (post(b"", b"Content-Length: 100000000"), 413),
            (CHUNKED + b"ffffff\r\n", 413),
            (b"GET /" + b"a" * 5000, 414),
            (get()[:-2] + b"X: " + b"a" * 100_000, 431),
            (get(host=b""), 400),
        ],
    )
    def test_the_answer_arrives(self, server: Server, start: bytes, status: int) -> None:
        with server.client() as client:
            client.send(start)
            for _ in range(50):
                client.send(b"x" * 20_000)
            answer = client.read()
            assert answer.status == status
            assert client.at_end()


def _check(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert answer.headers["x-request-id"].startswith("req_")
    if status >= 400:
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json["error"], str)
