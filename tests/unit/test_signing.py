"""The page on signing: its very commands sign the files of a run, verify them, and notice one changed bit."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_lines import shown_in

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "SIGNING.md").read_text(encoding="utf-8")
SAMPLE = ROOT / "reports" / "samples" / "no-go"
SUMS = {"Linux": "sha256sum", "macOS": "shasum -a 256"}
Step = Callable[[str], subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="not run: no ssh-keygen here")


def commands(title: str) -> list[str]:
    """Return the commands below a heading."""
    (part,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return list(shown_in(part))


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "reports" / "run"
    shutil.copytree(SAMPLE, folder)
    (folder / "logs").mkdir()
    (folder / "logs" / "postgres.log").write_text("ready\n")
    return folder


@pytest.fixture(params=SUMS)
def step(request: pytest.FixtureRequest, tmp_path: Path) -> Step:
    """Do what is below a heading, as a shell does that stops at the first that fails."""
    system = str(request.param)
    if not shutil.which(SUMS[system].split()[0]):
        pytest.skip(f"not run: no {SUMS[system]} here")
    (tmp_path / ".ssh").mkdir(mode=0o700)
    key = str(tmp_path / ".ssh" / "id_ed25519")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "somebody here", "-f", key], check=True)

    def do(title: str) -> subprocess.CompletedProcess[str]:
        lines = [line.replace("<run>", "run").replace("sha256sum", SUMS[system]) for line in commands(title)]
        places = [] if lines[0].startswith("cd ") else ["cd reports/run"]
        return subprocess.run(
            ["sh", "-e", "-c", "\n".join([*places, *lines])],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return do


@pytest.fixture
def signed(step: Step, run_folder: Path) -> Path:
    for title in ("Sign", "Let others know the key"):
        done = step(title)
        assert done.returncode == 0, done.stderr
    return run_folder


def test_what_was_signed_is_verified_with_every_file(step: Step, signed: Path) -> None:
    done = step("Verify")
    assert done.returncode == 0, done.stderr
    first, *checked = done.stdout.splitlines()
    (promised,) = re.findall(r'`(Good "tsse-validation" signature for \S+)`', PAGE)
    assert first.startswith(promised)
    files = {f"./{path.relative_to(signed)}: OK" for path in signed.rglob("*") if path.is_file()}
    signatures = {f"./{name}: OK" for name in ("SHA256SUMS", "SHA256SUMS.sig")}
    assert set(checked[:-2]) == files - signatures
    assert "./logs/postgres.log: OK" in checked
    assert {int(number) for number in checked[-2:]} == {len(files) - 2}


@pytest.mark.parametrize("name", ["result.json", "report.html", "logs/postgres.log"])
def test_one_bit_of_a_file_is_noticed(name: str, step: Step, signed: Path) -> None:
    content = bytearray((signed / name).read_bytes())
    content[len(content) // 2] ^= 1
    (signed / name).write_bytes(content)
    done = step("Verify")
    assert done.returncode != 0
    assert f"./{name}: FAILED" in done.stdout


def test_a_list_that_was_made_anew_has_no_good_signature(step: Step, signed: Path) -> None:
    (signed / "result.json").write_text("{}")
    listing = signed / "SHA256SUMS"
    signature = (signed / "SHA256SUMS.sig").read_bytes()
    listing.unlink()
    made = [command for command in commands("Sign") if "> SHA256SUMS" in command]
    subprocess.run(["sh", "-c", made[0]], cwd=signed, check=True)
    (signed / "SHA256SUMS.sig").write_bytes(signature)
    done = step("Verify")
    assert done.returncode != 0
    assert "OK" not in done.stdout


def test_a_file_that_was_added_shows_in_the_numbers(step: Step, signed: Path) -> None:
    (signed / "another.json").write_text("{}")
    done = step("Verify")
    there, listed = (int(number) for number in done.stdout.splitlines()[-2:])
    assert there == listed + 1


def test_another_s_key_is_not_the_signer_s(step: Step, signed: Path, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed_signers"
    key = tmp_path / "another"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    words = allowed.read_text().split()
    allowed.write_text(f"{words[0]} {words[1]} {key.with_suffix('.pub').read_text()}")
    assert step("Verify").returncode != 0
    assert signed.is_dir()
