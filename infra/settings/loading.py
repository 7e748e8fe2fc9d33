"""From the environment to the settings."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from infra.settings.contradictions import refuse_contradictions
from infra.settings.variable import PREFIX, TEST_PREFIX, SettingError, Variable
from infra.settings.whole import VARIABLES, Settings
from infra.settings_readers import ListenAddress


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of an environment; an empty variable counts as unset.

    Raises:
        SettingError: one line that names the variable and why it cannot be read.
    """
    _refuse_unknown(environ)
    values = {field: _value(variable, environ) for field, variable in VARIABLES.items()}
    data = cast(Path, values["data"]).absolute()
    domains = cast(tuple[str, ...], values["domains"])
    values["proxies"] = values["proxies"] or ()
    values |= {"data": data, "master_key_file": data / cast(Path, values["master_key_file"])}
    values["hostname"] = values["hostname"] or domains[0]
    is_own = cast(ListenAddress, values["http"]).is_loopback and not values["proxies"]
    values["registration"] = values["registration"] or ("open" if is_own else "closed")
    values["opensearch"] = values["opensearch"] or ()
    beyond = values["dns"] is not None or values["proxies"] or not cast(ListenAddress, values["smtp"]).is_loopback
    values["authentication"] = values["authentication"] or ("on" if beyond else "off")
    values["spam"] = values["spam"] or values["authentication"]
    values |= {name: values[name] or () for name in ("trusted_sealers", "known_lists", "dnsbl", "dnswl")}
    if values["s3_keys_bucket"] is None and values["s3_bucket"] is not None:
        values["s3_keys_bucket"] = f"{values['s3_bucket']}-keys"
    values |= {name: values[name] or () for name in ("kafka", "blocked_files")}
    settings = Settings(**cast(dict[str, Any], values))
    refuse_contradictions(settings)
    return settings


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {variable.name for variable in VARIABLES.values()}
    for name in environ:
        if name.startswith(PREFIX) and name not in known and not name.startswith(TEST_PREFIX):
            close = difflib.get_close_matches(name, known, n=1)
            raise SettingError(f"{name}: no such setting" + (f", did you mean {close[0]}?" if close else ""))


def _value(variable: Variable, environ: Mapping[str, str]) -> object:
    text = environ.get(variable.name, "").strip() or variable.default
    if text is None:
        return None
    try:
        return variable.read(text)
    except ValueError as error:
        raise SettingError(f"{variable.name}: {' '.join(str(error).split())}") from error
