"""``python -m pynamespaces``: the command line, which the extra ``cli`` completes."""

import sys


def main() -> int:
    """Run the command line; say what to install where its libraries are missing."""
    try:
        from .cli import command
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.exit("pynamespaces: its command line needs: pip install pynamespaces[cli]")
    except KeyboardInterrupt:
        return 130
    return command()


if __name__ == "__main__":
    sys.exit(main())
