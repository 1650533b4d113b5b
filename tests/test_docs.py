"""README and docs/: what they tell users to run exists."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import typer

from colormnet_cli.cli import config
from colormnet_cli.cli.app import app
from support.clips import picture, write_film
from support.commands import make_film, make_world

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page):
    """Every `colormnet …` in a page's code: [command, words after it]."""
    for line in re.findall(r"`([^`\n]+)`|^ {4}(.+)$", page.read_text(), re.MULTILINE):
        if found := re.match(r"(?:pipx run --spec \. )?colormnet (\w.*)", "".join(line)):
            yield found[1].partition(" #")[0].split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """A reader would get a 404."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page):
    """Someone who copies a command would get "No such option"."""
    for words in commands(page):
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
        used = {word for word in words if re.match("--?[a-z]", word)}
        assert used <= known, f"colormnet {command.name}: {used - known}"


def test_the_configuration_file_is_accepted(tmp_path, monkeypatch):
    """Someone who copies the configuration file would not get past an unknown key."""
    monkeypatch.setattr(config, "config_path", lambda: tmp_path / "config.toml")
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "command-line.md").read_text(), re.DOTALL)
    (tmp_path / "config.toml").write_text(text)
    defaults = config.read_defaults(typer.main.get_command(app))
    assert defaults["colorize"]["encoder_options"] == ["tune=film"]
    assert defaults["bench"]["size"] == "720p"
    assert "size" not in defaults["frames"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_exist(page):
    """A contributor would look for a file that was renamed."""
    plan_folder = {"automatic/", "colored/", "masks/", "stills/"}  # of a user's film
    text = page.read_text()
    named = re.findall(r"`([a-z0-9_/.]+(?:\.py|/))`", text) + re.findall(r"\b(?:tests|tools)/[a-z0-9_/]+\.py", text)
    for path in set(named) - plan_folder:
        assert any((folder / path).exists() for folder in (ROOT, ROOT / "colormnet_cli")), path


def test_the_image_gets_what_the_package_is_built_from():
    """`docker build` would end at a file that was renamed, or that .dockerignore leaves out."""
    lines = re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    sent = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert copied == sent == needed | set(wheel["packages"]) | set(wheel["force-include"])
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_python_page_runs(tmp_path, monkeypatch):
    """Someone who copies code from docs/python.md would get a traceback."""
    monkeypatch.chdir(make_world(tmp_path))
    make_film(Path("old.mp4"), frames=16)
    write_film(Path("other.mp4"), [picture(number) for number in range(16)])
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    exec("\n".join(code), {})
    assert Path("out.mp4").exists()
