"""Whether values out of JSON or off a command line are of the kind that a settings class declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, get_args, get_type_hints

__all__ = ["check_kinds"]

_CALLED = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def check_kinds(settings: type, values: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse what the class's annotations do not allow: "False" for a bool would be true, 2.5 frames would be cut.

    Lists pass for tuples, as JSON has no others; names that the class does not know are left to its constructor.

    Raises:
        ValueError: a value is of another kind.
    """
    hints = get_type_hints(settings)
    for name, value in values.items():
        if name in hints and not _fits(value, hints[name]):
            raise ValueError(f"{prefix}{name} must be {_called(hints[name])}, got {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    if parts := get_args(hint):
        if not isinstance(value, (list, tuple)):
            return False
        if parts[-1] is Ellipsis:
            return all(_fits(entry, parts[0]) for entry in value)
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if hint in (bool, str):
        return isinstance(value, hint)
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    return True


def _called(hint: Any) -> str:
    """How a kind is written: `[[a number, a whole number], …]`."""
    if parts := get_args(hint):
        return f"[{', '.join('…' if part is Ellipsis else _called(part) for part in parts)}]"
    return _CALLED[hint]
