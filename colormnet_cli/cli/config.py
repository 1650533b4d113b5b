"""The configuration file: defaults for options, by their names, for all commands or for one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from ..errors import UsageError
from ..wording import did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["config_path", "read_config", "read_defaults"]


def config_path() -> Path:
    """``config.toml`` in the user's configuration folder."""
    return Path(platformdirs.user_config_dir("colormnet", appauthor=False)) / "config.toml"


def read_config() -> dict[str, Any]:
    """What the configuration file contains; empty where there is none. Raises UsageError."""
    path = config_path()
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def read_defaults(group: Any) -> dict[str, Any]:
    """The configuration as defaults of the commands of a group: typer's `default_map`.

    A key outside tables is for every command that shares the option; a table is for the command of its name.

    Raises:
        UsageError: a key is unknown, or has a value of another type; the message names file and key.
    """
    config = read_config()
    tables = {key: value for key, value in config.items() if isinstance(value, dict)}
    common = {key: value for key, value in config.items() if key not in tables}
    shared = {name for command in _commands(group) for name in _options(command, shared=True)}
    for key in common:
        _check_key(key, shared)
    return _defaults(group, common, tables)


def _defaults(group: Any, common: dict[str, Any], tables: dict[str, Any], where: str = "") -> dict[str, Any]:
    for name in tables:
        _check_key(name, group.commands, where)
    defaults: dict[str, Any] = {}
    for name, command in group.commands.items():
        table = tables.get(name, {})
        below = {key: value for key, value in table.items() if isinstance(value, dict)}
        own = {key: value for key, value in table.items() if key not in below}
        options, inside = _options(command), f" in [{where}{name}]"
        for key in own:
            _check_key(key, options, inside)
        given = {key: value for key, value in common.items() if key in _options(command, shared=True)} | own
        defaults[name] = dict(
            _value(key, value, *options[key], inside if key in own else "") for key, value in given.items()
        )
        if hasattr(command, "commands"):
            defaults[name] |= _defaults(command, common, below, f"{name}.")
        elif below:
            _check_key(next(iter(below)), options, inside)
    return defaults


def _value(key: str, value: Any, param: Any, negated: bool, where: str) -> tuple[str, Any]:
    """Name and value of the parameter that a key stands for."""
    kind = "true or false" if param.is_flag else "a list" if param.multiple else "a number or a string"
    fits = isinstance(value, bool) if param.is_flag else not isinstance(value, (bool, dict))
    if not fits or (isinstance(value, list) and not param.multiple):
        raise UsageError(f"{config_path()}: {key!r}{where} is {value!r}: give {kind}")
    if param.multiple and not isinstance(value, list):
        value = [value]
    return param.name, value != negated if param.is_flag else value


def _options(command: Any, shared: bool = False) -> dict[str, tuple[Any, bool]]:
    """The options of a command by name, and whether the name is the opposite of the parameter (no-resume).

    shared: without options of its own that have another meaning in other commands, such as --size of `bench`.
    """
    own = getattr(command.callback, "own_options", ()) if shared else ()
    options = {}
    for param in command.params:
        if param.param_type_name == "option" and param.name not in own:
            options.update({name[2:]: (param, False) for name in param.opts if name.startswith("--")})
            options.update({name[2:]: (param, True) for name in param.secondary_opts})
    return options


def _commands(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        yield command
        if hasattr(command, "commands"):
            yield from _commands(command)


def _check_key(key: str, known: Any, where: str = "") -> None:
    if key not in known:
        close = did_you_mean(key, known) or ": keys are the names of options, and tables those of commands"
        raise UsageError(f"{config_path()}: unknown key {key!r}{where}{close}")
