"""`python -m infra.settings > docs/settings.md`."""

import sys

from infra.settings.document import documentation

sys.stdout.write(documentation())
