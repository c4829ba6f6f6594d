"""The services' logs outlive the stack: whole when they are short, their two ends when not, and never a secret."""

from pathlib import Path

from fixtures.stacks.services import HEAD_BYTES, TAIL_BYTES, save_logs
from tsse_validation.runlog.redaction import Redactor

SECRET = "correct-horse-battery-staple"


def saved(tmp_path: Path, content: bytes) -> str:
    source = tmp_path / "whatever.log"
    source.write_bytes(content)
    save_logs({"controller": source, "none": tmp_path / "none"}, tmp_path / "logs", Redactor([SECRET]))
    (path,) = (tmp_path / "logs").iterdir()
    assert path.name == "controller.log"
    return path.read_text()


def test_a_short_log_is_saved_as_it_is_but_for_its_secrets(tmp_path: Path) -> None:
    assert saved(tmp_path, f"token {SECRET}\n".encode() + b"\xff\n") == "token [redacted]\n\ufffd\n"


def test_of_a_long_log_the_start_and_the_end_are_saved_and_no_half_of_a_secret(tmp_path: Path) -> None:
    line = f"{SECRET}\n".encode()
    lines = (HEAD_BYTES + TAIL_BYTES) // len(line) * 2
    text = saved(tmp_path, b"first\n" + line * lines + b"last\n")
    assert text.startswith("first\n[redacted]\n")
    assert text.endswith("[redacted]\nlast\n")
    assert "bytes left out" in text
    assert set(text.splitlines()[1:-1]) - {next(said for said in text.splitlines() if "left out" in said)} == {
        "[redacted]"
    }
    assert len(text) <= HEAD_BYTES + TAIL_BYTES


def test_where_there_is_no_log_nothing_is_made(tmp_path: Path) -> None:
    save_logs({"none": tmp_path / "none"}, tmp_path / "logs", Redactor())
    assert not (tmp_path / "logs").exists()
