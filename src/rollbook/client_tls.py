"""TLS to other servers: every client verifies certificates alike, whatever the version of Python, and says how to fix
one."""

from __future__ import annotations

import ssl

UNUSUAL_FLAGS = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
"""Flags that Python sets by itself from 3.13 on: refuse authorities without key usage or identifiers, which psql, curl
and asyncpg accept, and believe in certificates that are no authority, as asyncpg doesn't. Decision 86."""

_OTHER_NAME = (62, 64)  # of a host, of an address
_FIXES = {
    10: "Renew it.",
    26: "Its extendedKeyUsage lacks serverAuth: issue it with `extendedKeyUsage=serverAuth`, or without any.",
    79: (
        "Its authority's certificate lacks basicConstraints with CA:TRUE, or its keyUsage lacks keyCertSign: create "
        "that again with `-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign`."
    ),
}
"""By OpenSSL's codes, X509_V_ERR."""


def client_context(root: str = "") -> ssl.SSLContext:
    """Verify certificates and names, by the authorities in the file `root` or, without one, those that the system
    trusts or SSL_CERT_FILE names. Raises OSError."""
    context = ssl.create_default_context(cafile=root or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~UNUSUAL_FLAGS
    return context


def is_for_another_name(problem: ssl.SSLCertVerificationError) -> bool:
    return problem.verify_code in _OTHER_NAME


def how_to_fix(problem: ssl.SSLCertVerificationError, own_authority: str = "") -> str:
    """A sentence, or nothing. `own_authority` says where this client is told of an authority that the system doesn't
    know."""
    if is_for_another_name(problem):
        return "Use a name that is in it as subjectAltName."
    return _FIXES.get(problem.verify_code, own_authority)
