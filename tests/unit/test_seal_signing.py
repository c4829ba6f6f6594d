"""The page on seals: its very commands sign a seal, and verify it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.command_lines import shown_in

PAGE = (Path(__file__).parents[2] / "docs" / "SEALS.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="not run: no ssh-keygen here")


def test_a_seal_is_signed_and_a_changed_bit_is_noticed(tmp_path: Path) -> None:
    (part,) = re.findall(r"^### To sign a seal\n(.*)", PAGE, re.MULTILINE | re.DOTALL)
    sign, verify = shown_in(part)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    key = tmp_path / ".ssh" / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    allowed = f'release@example.org namespaces="tsse-seal" {public}'
    (tmp_path / "allowed_signers").write_text(allowed, encoding="utf-8")
    seal = tmp_path / "postgres.seal"
    seal.write_bytes(b"PAR1 a seal PAR1")

    def done(command: str) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        return subprocess.run(
            ["sh", "-e", "-c", command],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done(sign).returncode == 0
    good = done(verify)
    assert (good.returncode, 'Good "tsse-seal" signature for release@example.org' in good.stdout) == (0, True), (
        good
    )
    seal.write_bytes(b"PAR1 a seaL PAR1")
    assert done(verify).returncode != 0
