"""Memory that was freed goes back to the system.

tantivy's indexing and merging threads come and go, and glibc keeps what each of them freed: 50 MB after 60,000
messages, of which 3 MB are in use.
"""

import ctypes
from collections.abc import Callable
from typing import Final


def _trimmer() -> Callable[[], object]:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own; other C libraries keep little
    return (lambda: None) if trim is None else (lambda: trim(0))


give_back: Final = _trimmer()
"""Hands freed memory back; takes some milliseconds, without the interpreter's lock."""
