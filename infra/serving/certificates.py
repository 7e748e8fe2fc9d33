"""The certificate that the mail doors show."""

import ssl

from infra.operator_errors import OperatorError
from infra.settings import Settings


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What STARTTLS speaks with; None where no certificate is set.

    Raises: OperatorError, where the files cannot be used.
    """
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise OperatorError(f"LEDGERMAIL_TLS_CERT and LEDGERMAIL_TLS_KEY cannot be used: {error}") from error
    return context
