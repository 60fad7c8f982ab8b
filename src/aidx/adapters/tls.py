"""Whom to trust on the open network: the certificates of the system, as its browser does."""

import ssl


def context() -> ssl.SSLContext:
    """A context for clients; certificates are checked, names too."""
    import truststore

    found: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return found
