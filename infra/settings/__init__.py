"""What an operator can set: one frozen object, read once from the environment, documented in `docs/settings.md`.

A file a subject; `infra.settings_readers` reads the texts. To add a setting: a field in the file of its subject, then
`python -m infra.settings > docs/settings.md`.
"""

from infra.settings.document import documentation
from infra.settings.loading import load
from infra.settings.variable import PREFIX, SettingError
from infra.settings.whole import VARIABLES, Settings

__all__ = ["PREFIX", "VARIABLES", "SettingError", "Settings", "documentation", "load"]
