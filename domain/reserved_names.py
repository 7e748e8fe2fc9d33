"""Domains that are nobody's: reserved for tests, examples and the machine itself (RFC 2606 sections 2 and 3, RFC 6761
section 6). No mail comes from or goes to them on the internet."""

_LABELS = frozenset({"test", "example", "invalid", "localhost"})
_EXAMPLES = frozenset({"example.com", "example.net", "example.org"})


def is_reserved(domain: str) -> bool:
    """Whether a domain is one of them, or below one."""
    labels = domain.lower().rstrip(".").split(".")
    return labels[-1] in _LABELS or ".".join(labels[-2:]) in _EXAMPLES
