"""`seal lake --rows-of`: the lake's files behind what differs, as a run has asked for them."""

from pathlib import Path

from tsse_validation.cli.seal_output import STDIN, read_stdin, write_output
from tsse_validation.domain.instants import utc_now
from tsse_validation.seals.seal_file import read_given
from tsse_validation.seals.sent_files import RowsRequest, answer_rows
from tsse_validation.seals.stamping import stamp_of
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.opening import lake_reader


def write_rows(settings: Settings, request: Path, output: Path) -> None:
    """Write the answer to a request; errors as in `answer_rows`, SettingsError where there is none."""
    reads_stdin = request == STDIN
    content = read_stdin("--rows-of", "a request", "rows.request") if reads_stdin else read_given(request)
    answer = answer_rows(lake_reader(settings), RowsRequest.of(content, str(request)), stamp_of(utc_now()))
    write_output(answer, output)
