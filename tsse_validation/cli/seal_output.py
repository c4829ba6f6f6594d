"""What the commands of seals read and write: files, or with - stdin and stdout; words go to stderr."""

import sys
from pathlib import Path

import typer

from tsse_validation.domain.errors import SettingsError
from tsse_validation.runlog.whole_files import replacing
from tsse_validation.seals.seal import LakeRead, Seal
from tsse_validation.seals.seal_file import seal_bytes
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.places import hold_all_writable, places_in_the_lake

STDIN = STDOUT = Path("-")


def hold_output(settings: Settings, output: Path) -> None:
    """Hold that a seal may be written there; raises SettingsError where it may not, or not usefully."""
    if output == STDOUT:
        if sys.stdout.isatty():
            raise SettingsError("A seal is no text for a terminal: redirect it, or name a file by --output.")
        return
    if complaints := list(places_in_the_lake(settings, {"--output": output})):
        raise SettingsError("\n".join(complaints))
    if output.is_dir():
        msg = f"--output {output} is a directory."
        raise SettingsError(msg)
    hold_all_writable({"--output": output.parent})


def output_in_words(output: Path) -> str:
    """Return where a seal went."""
    return "stdout" if output == STDOUT else str(output)


def places_read(read: LakeRead) -> str:
    """Return which lake was read: its hot place, and its cold one where it has one."""
    return f"{read.hot} and {read.cold}" if read.cold else read.hot


def read_stdin(option: str, what: str, example: str) -> bytes:
    """Return what stdin gives for an option; raises SettingsError where it is a terminal."""
    if sys.stdin.isatty():
        msg = f"{option} - reads {what} from stdin: redirect it, as in < {example}"
        raise SettingsError(msg)
    return sys.stdin.buffer.read()


def write_seal(seal: Seal, output: Path) -> None:
    """Write a seal; errors as in `write_output`."""
    write_output(seal_bytes(seal), output)


def write_output(content: bytes, output: Path) -> None:
    """Write at once or not at all; raises OSError where that cannot be, and leaves nothing then."""
    if output == STDOUT:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        with replacing(output) as unfinished:
            unfinished.write_bytes(content)


def say_day(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
    """Say how far a seal has come: an `Update`."""
    del rows
    say(f"{message}, {done} of {total} days")


def say(words: str) -> None:
    """Say something beside the output."""
    typer.echo(f"tsse-validate: {words}", err=True)
