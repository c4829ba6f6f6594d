"""What the package gives a script of the user's own: typed, documented, and imported only when it is used."""

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import tsse_validation
from tests.support.builders import good_run
from tsse_validation.report.writer import write_reports
from tsse_validation.runlog.log import RunLog
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.runlog.result import RunResult


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the log and the reports of a good run."""
    directory = tmp_path_factory.mktemp("run")
    log = RunLog(directory / "run.jsonl", Redactor([]))
    for record in good_run():
        log.append(record)
    log.close()
    write_reports(directory, RunResult.from_records(good_run()))
    return directory


# prove_window's example needs a stack: it is run with the helpers in tests/integration/cli
@pytest.mark.parametrize("name", sorted({*tsse_validation.__all__} - {"prove_window"}))
def test_the_example_of_each_name_works(name: str, run_folder: Path) -> None:
    names = {"RUN": run_folder}
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(tsse_validation, name), name, globs=names)
    found = doctest.DocTestRunner().run(example)
    assert found.attempted >= 2
    assert found.failed == 0


@pytest.mark.parametrize("name", tsse_validation.__all__)
def test_each_name_says_what_it_raises_or_that_it_does_not(name: str) -> None:
    text = inspect.getdoc(getattr(tsse_validation, name)) or ""
    assert "Raises:" in text or "raises" in text
    assert name in dir(tsse_validation)


def test_a_name_that_is_not_there_is_none() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'prove_everything'"):
        getattr(tsse_validation, "prove_everything")  # noqa: B009 - no such attribute, says mypy otherwise


def test_importing_the_package_imports_nothing_of_weight() -> None:
    program = (
        "import sys, tsse_validation; print(*{'duckdb', 'pyarrow', 'pydantic', 'pytest'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
