"""Parses `az` command lines with the Azure CLI, without running them. Reads one JSON list of arguments per line.

Runs in its own environment (azure-cli from PyPI) and prints an error for each line that cannot be parsed.
"""

import contextlib
import io
import json
import sys

from azure.cli.core import get_default_cli


def problem(arguments: list[str]) -> str:
    cli = get_default_cli()
    invoker = cli.invocation_cls(
        cli_ctx=cli, parser_cls=cli.parser_cls, commands_loader_cls=cli.commands_loader_cls, help_cls=cli.help_cls
    )
    cli.invocation = invoker
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
            invoker.commands_loader.load_command_table(arguments)
            command = invoker._rudimentary_get_command(arguments)
            invoker.data["command_string"] = invoker.commands_loader.command_name = command
            if command not in invoker.commands_loader.command_table:
                return f"there is no command {command or arguments[:3]}"
            invoker.commands_loader.command_table = {command: invoker.commands_loader.command_table[command]}
            invoker.commands_loader.load_arguments(command)
            invoker.parser.load_command_table(invoker.commands_loader)
            invoker.parser.parse_args(arguments)
    except SystemExit:
        return " ".join(errors.getvalue().split())[:300] or "it cannot be parsed"
    return ""


for line in sys.stdin:
    found = problem(json.loads(line))
    if found:
        print(f"{' '.join(json.loads(line))}: {found}")
