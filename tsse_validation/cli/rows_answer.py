"""`seal lake --rows-of`: the lake's files behind what differs, as a run has asked for them."""

import sys
from pathlib import Path

from tsse_validation.cli.seal_output import STDOUT
from tsse_validation.domain.errors import SettingsError
from tsse_validation.domain.instants import utc_now
from tsse_validation.runlog.whole_files import replacing
from tsse_validation.seals.sent_files import RowsRequest, answer_rows
from tsse_validation.seals.stamping import stamp_of
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.opening import lake_reader

_STDIN = Path("-")


def write_rows(settings: Settings, request: Path, output: Path) -> None:
    """Write the answer to a request; errors as in `answer_rows`, OSError where a file fails."""
    if request == _STDIN and sys.stdin.isatty():
        raise SettingsError("--rows-of - reads a request from stdin: redirect it, as in < rows.request")
    content = sys.stdin.buffer.read() if request == _STDIN else request.read_bytes()
    answer = answer_rows(lake_reader(settings), RowsRequest.of(content, str(request)), stamp_of(utc_now()))
    if output == STDOUT:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
    else:
        with replacing(output) as unfinished:
            unfinished.write_bytes(answer)
