"""The command line; it knows all other parts, and none knows it."""

import click

from .. import __version__
from ..errors import NamespaceError
from . import demo


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def group() -> None:
    """Enter, create and find Linux namespaces."""


group.add_command(demo.command, "demo")


def command() -> int:
    """Run the command line; a failure is one line and exit status 1."""
    try:
        group(prog_name="pynamespaces")
    except (NamespaceError, OSError) as error:
        click.echo(f"pynamespaces: {error}", err=True)
        return 1
    return 0
