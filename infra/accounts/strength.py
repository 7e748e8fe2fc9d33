"""Which passwords are too weak: short ones, those that many people take, and those that say the address.

No rules on kinds of characters (NIST SP 800-63B section 3.1.1.2).
"""

import re
import unicodedata

from domain.addresses import EmailAddress
from gateways.accounts import PasswordWeakError
from infra.accounts.hashing import MAX_PASSWORD_OCTETS

MIN_CHARS = 8
MIN_DISTINCT = 4

# fmt: off
COMMON = frozenset({
    "abcdef", "abcdefg", "abcdefgh", "access", "administrator", "admin", "asdfgh", "asdfghjk", "asdfghjkl", "azerty",
    "azertyuiop", "baseball", "basketball", "batman", "changeme", "chocolate", "computer", "default", "dragon",
    "football", "freedom", "gfhjkm", "hallo", "hello", "iloveyou", "internet", "jennifer", "letmein", "liverpool",
    "login", "mail", "master", "michael", "michelle", "monkey", "mustang", "pass", "passphrase", "passw0rd",
    "password", "passwort", "p@ssw0rd", "p@ssword", "princess", "q1w2e3r4", "q1w2e3r4t5", "qazwsx", "qazwsxedc",
    "qwerty", "qwertyui", "qwertyuiop", "qwertz", "qwertzuiop", "samsung", "secret", "shadow", "soccer", "starwars",
    "sunshine", "superman", "trustno", "welcome", "whatever", "zaq1zaq1", "zaq12wsx", "1q2w3e4r", "1q2w3e4r5t",
    "1qaz2wsx", "1qaz2wsx3edc", "qwer1234", "asdf1234", "abcd1234", "abc12345", "a1b2c3d4", "aa123456",
})
# fmt: on
"""In lower case and without the digits and signs that people put behind them."""

_TAIL = re.compile(r"[\d\W_]+$")
_RUNS = ("01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz")


def require_strong(password: str, address: EmailAddress) -> None:
    """Refuse a weak password.

    Raises:
        PasswordWeakError: says why.
    """
    if "\0" in password or any(unicodedata.category(c) == "Cs" for c in password):
        raise PasswordWeakError("a password holds no NUL and no half characters")
    if len(password) < MIN_CHARS:
        raise PasswordWeakError(f"a password has at least {MIN_CHARS} characters")
    if len(unicodedata.normalize("NFC", password).encode()) > MAX_PASSWORD_OCTETS:
        raise PasswordWeakError(f"a password has at most {MAX_PASSWORD_OCTETS} octets")
    folded = password.casefold()
    if len(set(folded)) < MIN_DISTINCT or any(folded in run for run in _RUNS):
        raise PasswordWeakError("the password repeats or counts a few characters")
    if folded in COMMON or _TAIL.sub("", folded) in COMMON:
        raise PasswordWeakError("the password is one of those that are tried first")
    localpart = address.localpart.casefold()
    if folded in (str(address).casefold(), localpart) or _TAIL.sub("", folded) == localpart:
        raise PasswordWeakError("the password is the address")
