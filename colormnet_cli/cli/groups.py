"""Commands whose parameters are settings: a dataclass stands for one option per field.

A command is a function, registered with `CommandLine.command`. Its parameters may be, besides what typer knows:

- a dataclass, such as ``settings: ColorizeSettings``: its fields become options, declared in `options.OPTIONS`;
- some of its fields: ``encoding: Annotated[EncodingSettings, ("codec", "crf")]``;
- ``session: Session``: the options of every command (--verbose, --quiet, --debug).

The function is called with ready-made objects. A group that is impossible (an end before the start) is wrong usage,
reported before the function runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import ArgumentInfo, OptionInfo

from .options import OPTIONAL_VALUES, OPTIONS, PANELS, SESSION
from .session import Session

__all__ = ["CommandLine", "Group", "build"]

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., None])


class _PlainTypes:
    """Without ``<bool>`` after a flag and ``<list[Path]>`` after an argument in the help."""

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if param.param_type_name == "argument":
                param.display_type_rich = lambda **_: None
            elif param.is_flag or param.count:
                param.metavar = ""
        return params


class Command(_PlainTypes, TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _with_optional_values(args))


class Group(_PlainTypes, TyperGroup):
    pass


def _with_optional_values(args: Sequence[str]) -> list[str]:
    """The arguments, with the value that an option has where none is given: it is the last, or another one follows."""
    given: list[str] = []
    for argument, following in zip(args, [*args[1:], "-"], strict=False):
        given.append(argument)
        if argument in OPTIONAL_VALUES and following.startswith("-"):
            given.append(OPTIONAL_VALUES[argument])
    return given


class CommandLine(typer.Typer):
    """A typer application whose commands may take dataclasses."""

    def __init__(self, **keywords: Any) -> None:
        keywords.setdefault("cls", Group)
        super().__init__(rich_markup_mode="rich", pretty_exceptions_enable=False, **keywords)

    def command(self, name: str | None = None, **keywords: Any) -> Callable[[Function], Function]:
        return _expanding(super().command(name, cls=Command, **keywords))

    def callback(self, **keywords: Any) -> Callable[[Function], Function]:
        return _expanding(super().callback(**keywords))


def _expanding(register: Callable[[Any], Any]) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        register(_expanded(function))
        return function

    return decorate


@dataclass(frozen=True)
class _Expanded:
    """A parameter that stands for several options."""

    kind: type
    names: tuple[str, ...]

    def options(self) -> list[inspect.Parameter]:
        if self.kind is Session:
            return [_parameter(name, hint, default) for name, (hint, default) in SESSION.items()]
        hints = get_type_hints(self.kind)
        defaults = {field.name: field.default for field in fields(self.kind)}
        return [
            _parameter(
                name,
                Annotated[_typer_type(hints[name], OPTIONS[name]), OPTIONS[name]],
                inspect.Parameter.empty if defaults[name] is MISSING else defaults[name],
            )
            for name in self.names
        ]


def build(kind: type[T], values: Mapping[str, Any], names: Sequence[str] = ()) -> T:
    """The settings that the options' values (by the names of fields) stand for; of `names` only, if given."""
    names = names or [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: tuple(v) if isinstance(v := values[name], list) else v for name in names})


def _expanded(function: Callable[..., None]) -> Callable[..., None]:
    """The function with one parameter per option, as typer needs it."""
    groups: dict[str, _Expanded] = {}
    parameters = [_parameter("ctx", typer.Context)]
    own = inspect.signature(function, eval_str=True).parameters
    for name, parameter in own.items():
        if group := _group(parameter.annotation):
            groups[name] = group
            parameters += group.options()
        elif parameter.annotation is not typer.Context:
            parameters.append(_parameter(name, parameter.annotation, parameter.default))

    def command(ctx: typer.Context, **values: Any) -> None:
        given = {name: ctx if own[name].annotation is typer.Context else values.get(name) for name in own}
        for name, group in groups.items():
            given[name] = ctx.obj if group.kind is Session else build(group.kind, values, group.names)
        function(**given)

    # A configuration file sets options of one name in all commands alike, but not these
    command.own_options = {  # type: ignore[attr-defined]
        p.name for p in parameters if p.name in OPTIONS and OPTIONS[p.name] not in get_args(p.annotation)
    }
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(sorted(parameters, key=_position))  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _group(hint: Any) -> _Expanded | None:
    """What a parameter's type stands for; None for an option or argument of its own."""
    kind, names = get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, ())
    if not is_dataclass(kind):
        return None
    return _Expanded(kind, names or tuple(field.name for field in fields(kind)))  # type: ignore[arg-type]


def _parameter(name: str, hint: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)


def _typer_type(hint: Any, option: OptionInfo) -> Any:
    """A field's type as typer knows types: no unions but those with None, and lists for tuples."""
    if get_origin(hint) is tuple:
        return list[str]
    if option.parser is None:
        return hint
    return str | None if NoneType in get_args(hint) else str


def _position(parameter: inspect.Parameter) -> tuple[int, int]:
    """Where an option stands in the help: by panel, there in the order of `OPTIONS`, then its command's own."""
    info = next((i for i in get_args(parameter.annotation) if isinstance(i, (ArgumentInfo, OptionInfo))), None)
    if info is None or isinstance(info, ArgumentInfo):
        return -1, 0
    panel = PANELS.index(info.rich_help_panel) if info.rich_help_panel in PANELS else 1  # a command's own: second
    order = [*OPTIONS, "", *SESSION]
    return panel, order.index(parameter.name if parameter.name in order else "")
