"""When a certificate expires, by the standard library alone: a service need not carry a cryptography library."""

import logging
import ssl
from typing import Final

from chassis import metrics
from chassis.settings import Tls

log = logging.getLogger(__name__)

_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME (OpenSSL, X509_VERIFY_PARAM_set_flags(3)): one that is over is to be told too."""
_FLIGHTS: Final = 4


def expires_at(tls: Tls) -> float:
    """Give the end of a certificate's time (notAfter of RFC 5280, section 4.1.2.5) in seconds since 1970.

    Python parses a certificate where a peer has shown it, so it is shown in a handshake within this process.

    Raises:
        ssl.SSLError: key, certificate and authority do not belong together.
    """
    shows, sees = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    shows.load_cert_chain(tls.certificate_file, tls.key_file)
    sees.check_hostname = False
    sees.verify_flags |= _NO_CHECK_TIME
    sees.load_verify_locations(cadata=tls.ca.decode())
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = shows.wrap_bio(there, back, server_side=True)
    client = sees.wrap_bio(back, there)
    for _ in range(_FLIGHTS):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = client.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def tell(tls: Tls | None) -> None:
    """Write to the metrics when this process's certificate expires, where it has one; 0 stays where nobody can tell."""
    if tls is None:
        return
    try:
        metrics.certificate_expires.set(expires_at(tls))
    except (OSError, ValueError, KeyError) as failure:  # the channels that use it say what is wrong with it
        log.warning("nobody can tell when the certificate expires: %s", failure)
