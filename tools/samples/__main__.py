"""Makes the sample reports anew, by real runs: ``python -m tools.samples``, in the checkout's directory.

With ``--render`` it only renders the results that lie there: enough where no more than the reports has changed.

A GO of the embedded stack; then, of one controller that is validated as an installed one, an INCOMPLETE without a
backfill, a GO by counts of the API alone, and a NO-GO with faults planted. Each lies in reports/samples with its
picture. What is committed of a run is its result, and what is rendered of that; only the kernel's release,
host and user, which are of this machine, are taken out.
"""

import platform
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from fixtures.stacks.embedded import running_stack
from tests.support.command import QUICK, REPOSITORY, Run, Runbook
from tests.support.controller import OPTIONS, Controller, days_ago
from tests.support.damage import at_row, lake_file, next_double, rewrite, with_extra_row, without_row
from tests.system.browser.program import launch
from tsse_validation.domain.outcome import Outcome
from tsse_validation.report.markdown.markdown_report import markdown_name, render_markdown
from tsse_validation.report.model.document import (
    REPORT_HTML,
    RESULT_JSON,
    ReportDocument,
    read_result_json,
    write_atomically,
    write_result_json,
)
from tsse_validation.report.run_index import INDEX_HTML, INDEX_JSON
from tsse_validation.report.writer import write_html

SAMPLES = Path("reports/samples")
PICTURE = "report.png"
BACKFILLED_DAYS = 30
_WIDTH, _HEIGHT = 1280, 1180


def main() -> int:
    """Make all four, each with the verdict that it is to show."""
    if Path.cwd() != REPOSITORY:
        sys.stderr.write(f"run it in {REPOSITORY}\n")
        return 2
    if sys.argv[1:] == ["--render"]:
        for path in SAMPLES.glob(f"*/{RESULT_JSON}"):
            _write(path.parent, ReportDocument.of(read_result_json(path).result))
    else:
        _run_all()
    _pictures()
    return 0


def _run_all() -> None:
    with tempfile.TemporaryDirectory(prefix="tsse-samples-") as name:
        directory = Path(name).resolve()
        directory.chmod(0o755)  # root's PostgreSQL runs as another user
        runbook = Runbook(directory, directory)
        try:
            _go(runbook)
            _installed(runbook, directory)
        finally:
            runbook.close()


def _go(runbook: Runbook) -> None:
    farm = ("--farm-rows=12000", "--farm-sensors=8")
    _keep(_run(runbook, "go", *farm, *QUICK), Outcome.GO)


def _installed(runbook: Runbook, directory: Path) -> None:
    keep = directory / "controller"
    keep.mkdir()
    with running_stack(OPTIONS, lambda _: None) as running:
        controller = Controller(running, keep)
        runbook.secrets += controller.secrets
        controller.backfill(BACKFILLED_DAYS)
        arguments = (*controller.directly(), *QUICK, "--skip-backfill", "--max-job-windows=2")
        _keep(_run(runbook, "incomplete", *arguments, env=controller.environment), Outcome.INCOMPLETE)
        by_api = (*controller.by_api(), *QUICK, "--no-discovery", "--require=counts", "--max-job-windows=2")
        _keep(_run(runbook, "counts", *by_api), Outcome.GO)
        _damage(controller)
        _keep(_run(runbook, "no-go", *arguments, env=controller.environment), Outcome.NO_GO)


def _damage(controller: Controller) -> None:
    """Plant one fault a day: a file lost, a row lost, one too many, and a value that is off by its last bit."""
    sensor = controller.sensor()
    lake_file(controller, sensor, days_ago(4)).unlink()
    rewrite(lake_file(controller, sensor, days_ago(7)), without_row(sensor))
    rewrite(lake_file(controller, sensor, days_ago(10)), with_extra_row(sensor))
    rewrite(lake_file(controller, sensor, days_ago(13)), at_row(sensor, "value", next_double))


def _run(runbook: Runbook, name: str, *arguments: str, env: dict[str, str] | None = None) -> Run:
    # relative, so that the settings in the report name no directory of this machine
    directory = SAMPLES / name
    shutil.rmtree(directory, ignore_errors=True)
    return runbook.start(*arguments, env=env, report_dir=directory).end()


def _keep(run: Run, outcome: Outcome) -> None:
    """Leave of a run's folder what a sample is, in its parent."""
    if run.verdict.outcome is not outcome:
        msg = f"not {outcome.value}: {run}"
        raise AssertionError(msg)
    started = run.result.started
    environment = dict(started.environment) | {
        "platform": f"{platform.system()} {platform.machine()}",
        "host": "validation-host",
        "user": "operator",
    }
    result = run.result.model_copy(update={"started": started.model_copy(update={"environment": environment})})
    shutil.rmtree(run.directory)
    for name in (INDEX_HTML, INDEX_JSON):
        (run.report_dir / name).unlink()
    _write(run.report_dir, ReportDocument.of(result))


def _write(directory: Path, document: ReportDocument) -> None:
    write_result_json(directory / RESULT_JSON, document)
    write_atomically(directory / markdown_name(document.result.started.at), render_markdown(document).encode())
    write_html(directory / REPORT_HTML, document)
    sys.stdout.write(f"{directory}: {document.verdict.outcome.value}\n")


def _pictures() -> None:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
        for directory in sorted(SAMPLES.iterdir()):
            page.goto((directory.resolve() / REPORT_HTML).as_uri())
            page.screenshot(path=directory / PICTURE)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
