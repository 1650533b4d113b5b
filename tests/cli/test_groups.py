"""Settings as parameters of commands: each field an option, in the help, on the command line, and in the object."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer

from colormnet_cli.cli.groups import CommandLine
from colormnet_cli.cli.options import OPTIONS, PANELS, NetworkChoice
from colormnet_cli.cli.session import Session, sentence
from colormnet_cli.errors import UsageError
from colormnet_cli.settings import ColorizeSettings, EncodingSettings, MemoryConfig, RunSettings


def parse(function: Any, *arguments: str) -> Any:
    """Run a command of one function."""
    app = CommandLine()
    app.command()(function)
    session = Session()
    typer.main.get_command(app).main(list(arguments), standalone_mode=False, obj=session)
    return session


def test_settings_come_ready_made() -> None:
    """An option that does not reach its field would be ignored silently."""
    received = []

    def command(settings: ColorizeSettings, memory: MemoryConfig, network: NetworkChoice) -> None:
        received.append((settings, memory, network))

    parse(command)
    line = "--size source --ref-is-other --end f9 --encoder-option a=b --encoder-option c=d --bilinear --no-resume"
    parse(command, *line.split(), "--crf", "7.5", "--audio", "none", "--ns", "7", "--top-k", "2", "--device", "cuda:1")
    assert received[0] == (ColorizeSettings(), MemoryConfig(), NetworkChoice())
    assert received[1] == (
        ColorizeSettings(
            size="source",
            ref_is_first=False,
            end="f9",
            encoder_options=(("a", "b"), ("c", "d")),
            guided=False,
            resume=False,
            crf=7.5,
            audio="none",
        ),
        MemoryConfig(n_s=7, top_k=2),
        NetworkChoice(device="cuda:1"),
    )


def test_some_fields_of_a_group() -> None:
    """A command must not offer settings that it ignores."""
    received = []

    def command(encoding: Annotated[EncodingSettings, ("crf", "audio")], own: int = 3) -> None:
        received.append((encoding, own))

    parse(command, "--crf", "1", "--own", "4")
    assert received == [(EncodingSettings(crf=1), 4)]
    with pytest.raises(Exception, match="No such option: --codec"):
        parse(command, "--codec", "h264")


def test_impossible_settings_end_before_the_command() -> None:
    """The error would come after the network was loaded."""
    with pytest.raises(UsageError, match="not after the start"):
        parse(must_not_run, "--start", "2", "--end", "1")


def must_not_run(settings: ColorizeSettings) -> None:
    pytest.fail("the command ran")


def test_every_command_gets_its_session() -> None:
    """-v would be unknown, or change nothing."""
    received = []

    def command(session: Session) -> None:
        received.append(session)

    session = parse(command, "-vv", "--debug")
    assert received == [session]
    assert (session.verbosity, session.debug) == (2, True)


@pytest.mark.parametrize("group", [ColorizeSettings, MemoryConfig, NetworkChoice, RunSettings])
def test_every_field_is_declared(group: type) -> None:
    """A setting without an option could not be used from the command line."""
    assert set(group.__dataclass_fields__) <= set(OPTIONS)
    assert {OPTIONS[name].rich_help_panel for name in group.__dataclass_fields__} <= set(PANELS)


def test_options_stand_in_the_order_of_their_panels() -> None:
    """Letters of the paper before --start would hide what people look for."""
    app = CommandLine()

    def command(memory: MemoryConfig, settings: ColorizeSettings, network: NetworkChoice, session: Session) -> None:
        pass

    app.command()(command)
    names = [param.name for param in typer.main.get_command(app).params]
    assert names.index("model") < names.index("start") < names.index("codec") < names.index("quiet")
    assert names.index("quiet") < names.index("lookahead") < names.index("pix_fmt") < names.index("gamma")


def test_messages_name_options() -> None:
    """Python's names in an error of the command: people would type `overwrite=True`."""
    text = (
        "`n_s` and `crf`; `overwrite=True`, `resume=False`, `guided=False`, `ref_is_first=False`; "
        '`device="cpu"`, `model=PATH`, `lookahead=1`; `colormnet doctor`'
    )
    assert sentence(text) == (
        "--ns and --crf; --overwrite, --no-resume, --bilinear, --ref-is-other; "
        "--device cpu, --model PATH, --lookahead 1; `colormnet doctor`."
    )
