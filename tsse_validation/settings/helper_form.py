"""Where the runbook's own commands are: a directory that holds them, or a command line that names them. Pure.

A command line has ``{helper}`` in the place of the helper's name. It is split as a shell splits it, and no shell
runs it: ``cargo run --manifest-path apps/core-server-rs/Cargo.toml --bin {helper} --``.
"""

import shlex
import shutil
from pathlib import Path

HELPER_NAMES = ("tsse_lake_inspector", "tsse_lake_backfill", "tsse_lake_parity_check")
"""The runbook's own commands (contract section 6)."""
PLACE = "{helper}"
_OF_A_SHELL = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"})


def is_command_line(form: str) -> bool:
    """Whether a form is a command line, and no directory."""
    return PLACE in form


def helper_words(form: str, helper: str) -> tuple[str, ...]:
    """Return the words that begin a helper's command: its path, or the command line with its name.

    >>> helper_words("cargo run --bin {helper} --", "tsse_lake_backfill")
    ('cargo', 'run', '--bin', 'tsse_lake_backfill', '--')
    >>> helper_words("/opt/tsse/bin", "tsse_lake_backfill")
    ('/opt/tsse/bin/tsse_lake_backfill',)
    """
    if is_command_line(form):
        return tuple(word.replace(PLACE, helper) for word in shlex.split(form))
    return (str(Path(form) / helper),)


def as_helpers(form: str) -> str:
    """Check a form and return it, a directory with its ``~`` resolved.

    Raises ValueError in words where no helper can be run by it.
    """
    if not form.strip() or not form.isprintable():
        raise ValueError("names no directory and no command line: it is empty, or has a control character")
    return _command_line(form) if is_command_line(form) else _directory(form)


def _directory(form: str) -> str:
    path = Path(form).expanduser()
    if not path.is_dir():
        msg = (
            f"{path} is no directory: name the one that holds {', '.join(HELPER_NAMES)}, or a command line with "
            f"{PLACE} where the helper's name belongs"
        )
        raise ValueError(msg)
    if not any((path / name).exists() for name in HELPER_NAMES):
        msg = f"{path} holds none of {', '.join(HELPER_NAMES)}"
        raise ValueError(msg)
    return str(path)


def _command_line(form: str) -> str:
    try:
        words = shlex.split(form)
    except ValueError:
        raise ValueError("is no command line: a quotation mark is open") from None
    if strange := sorted(_OF_A_SHELL.intersection(words)):
        msg = f"is not run by a shell, which {' '.join(strange)} would need"
        raise ValueError(msg)
    if PLACE not in words[0] and shutil.which(words[0]) is None:
        msg = f"begins with {words[0]!r}, and there is no such program"
        raise ValueError(msg)
    return form
