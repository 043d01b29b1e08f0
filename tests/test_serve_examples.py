"""The files in examples/serve/ fit the program and each other; what they start is run by hand."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import yaml

from chargen.cli.commands import COMMANDS
from chargen.cli.flags import parser_of
from chargen.config import ServeConfig
from chargen.server.exchange import MAX_BODY

HOUSE = Path(__file__).parents[1]
EXAMPLES = HOUSE / "examples"
SERVE = EXAMPLES / "serve"


def serve_file(name: str) -> str:
    return (SERVE / name).read_text(encoding="utf-8")


def test_each_file_for_serving_stands_in_the_table() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in SERVE.iterdir():
        assert path.suffix == ".dockerignore" or f"(serve/{path.name})" in table


def test_the_image_has_all_that_serving_needs() -> None:
    """All that pyproject.toml names, but torch."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["serve"], *extras["regex"]]
    [step] = re.findall(
        r"pip install .* -c constraints\.txt ((?:.*\\\n)*.*)", serve_file("Dockerfile")
    )
    installed = step.replace("\\", "").split()
    assert {*installed, "torch"} == {re.split(r"[<>=\[]", package)[0] for package in needed}


def test_the_commands_for_serving_are_right() -> None:
    [entry] = re.findall(r"^ENTRYPOINT (.*)$", serve_file("Dockerfile"), re.M)
    _, *in_image = json.loads(entry)
    service = yaml.safe_load(serve_file("compose.yaml"))["services"]["chargen"]
    [unit] = re.findall(r"^ExecStart=(.*)$", serve_file("chargen@.service"), re.M)
    _, *by_systemd = shlex.split(unit.replace("%i", "8081"))
    for command in (in_image, [*in_image, *service["command"]], by_systemd):
        assert command[0] == "serve"
        parser_of("serve", COMMANDS["serve"]).parse_args(command[1:])


def test_what_stands_before_servers_finds_them() -> None:
    services = yaml.safe_load(serve_file("compose.yaml"))["services"]
    [(name, port)] = re.findall(r"^    server (\w+):(\d+);", serve_file("nginx.conf"), re.M)
    assert name in services and int(port) == ServeConfig().port
    assert f"EXPOSE {port}" in serve_file("Dockerfile")
    ports = re.findall(r"chargen@(\d+)", serve_file("chargen@.service"))
    assert re.findall(r"127\.0\.0\.1:(\d+)", serve_file("Caddyfile")) == ports
    assert re.findall(r"server 127\.0\.0\.1:(\d+)", serve_file("nginx.conf")) == ports


def test_a_proxy_lets_through_what_a_server_takes() -> None:
    assert f"client_max_body_size {MAX_BODY >> 20}m;" in serve_file("nginx.conf")
