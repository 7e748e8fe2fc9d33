"""The data folder, made before anything lies in it."""

import os

from infra.settings import PREFIX, SettingError, Settings


def make_data_folder(settings: Settings) -> None:
    """The folder of `LEDGERMAIL_DATA` is there and takes files. Safe to repeat.

    Raises: SettingError, in one line.
    """
    try:
        settings.data.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{PREFIX}DATA: {settings.data} cannot be made: {error.strerror or error}") from error
    if not os.access(settings.data, os.W_OK | os.X_OK):
        raise SettingError(f"{PREFIX}DATA: nothing can be written in {settings.data}")
