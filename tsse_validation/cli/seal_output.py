"""`--output`: a seal as a file, at once or not at all, or as the bytes of stdout."""

import sys
from pathlib import Path

from tsse_validation.domain.errors import SettingsError
from tsse_validation.runlog.whole_files import replacing
from tsse_validation.seals.seal import Seal
from tsse_validation.seals.seal_file import seal_bytes
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.places import hold_all_writable, places_in_the_lake

STDOUT = Path("-")


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


def write_seal(seal: Seal, output: Path) -> None:
    """Write a seal; raises OSError where it cannot be, and leaves nothing then."""
    content = seal_bytes(seal)
    if output == STDOUT:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        with replacing(output) as unfinished:
            unfinished.write_bytes(content)
