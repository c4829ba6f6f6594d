import re
import subprocess
import tarfile
from collections.abc import Iterable
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import finished, planned, run_started, stack_described
from tests.support.report_builders import (
    ALL,
    BAD_DAY,
    BAD_SENSOR,
    DAYS,
    LIVE,
    SCENARIOS,
    backfill,
    ended,
    hostile,
    live_api_only,
    partitions,
)
from tests.support.soaked import due_slice, eventful, quiet, soak_began, soak_seen
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.lake.shards import shard_of
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.markdown.step_summary import render_step_summary
from tsse_validation.report.model.actions import Action, what_to_do
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.next_run import next_run
from tsse_validation.runlog.records import AnyRecord, CheckStatus, Finding, Record, SettingValue
from tsse_validation.runlog.result import RunResult

DIRECTLY = stack_described(strict=False)
FIRST = next(iter(CHECKS))
RUN_ID = "20260124T163505Z-1f9c"


def setting(name: str, value: str) -> SettingValue:
    return SettingValue(name=name, value=value, source="command line", spelled=value)


GIVEN = (
    setting("base_url", "http://127.0.0.1:8000"),
    setting("auth_token_file", "/home/me/token.txt"),
    setting("hot_path", "/lake/hot"),
    setting("report_dir", "reports"),
)


def flagged(
    diagnosis: str = "rows missing", *, heals: bool = True, day: date = BAD_DAY, **more: object
) -> Finding:
    fields = {"sensors": (BAD_SENSOR,), "days": (day,), "rows": 7, "summary": "7 rows"}
    return Finding.model_validate(
        {"diagnosis": diagnosis, "flagged": True, "heals_by_backfill": heals, **fields, **more}
    )


def live(*records: Record, settings: Iterable[SettingValue] = GIVEN, **more: object) -> RunResult:
    """Return a run on an installed controller of which both sides could be read."""
    started = run_started(settings=tuple(settings), **more)
    return RunResult.from_records([started, DIRECTLY, *map(planned, CHECKS), *records, ended()])


def actions(of: RunResult) -> tuple[Action, ...]:
    return what_to_do(ReportDocument.of(of))


@ALL
def test_every_verdict_but_a_go_ends_in_a_command(of: RunResult) -> None:
    document = ReportDocument.of(of)
    told = what_to_do(document)
    assert bool(told) is (document.verdict.outcome is not Outcome.GO)
    assert all(action.sentence.endswith((".", ")")) for action in told)
    assert all(action.command.isprintable() for action in told)
    assert not told or told[-1].command


@given(st.text(st.characters(codec=None), max_size=40))
def test_whatever_a_run_has_seen_something_can_be_done(text: str) -> None:
    assert all(action.command.isprintable() for action in actions(hostile(text)))


def test_a_fault_that_a_backfill_heals_keep_repair_prove() -> None:
    keep, repair, prove = actions(live(flagged()))
    shard = f"date={BAD_DAY}/shard={shard_of(BAD_SENSOR, 16)}/"
    assert f"-path '*/metrics/v1/{shard}*'" in keep.command
    assert keep.command.startswith(f"mkdir tsse-evidence-{RUN_ID} && cp -pR reports/{RUN_ID} ")
    assert repair.command == (
        "tsse-validate backfill --base-url=http://127.0.0.1:8000 --auth-token-file=/home/me/token.txt "
        "--hot-path=/lake/hot --backfill-days=90 --replace-existing --wait"
    )
    assert "start this one only where the proof has to wait" in repair.sentence
    assert prove.command == (
        "pytest -m tier_a --base-url=http://127.0.0.1:8000 --auth-token-file=/home/me/token.txt "
        "--hot-path=/lake/hot --report-dir=reports --backfill-days=91"
    )


def test_what_no_backfill_heals_goes_to_the_developer_and_is_no_reason_to_backfill() -> None:
    keep, look, prove = actions(live(flagged("timestamps shifted", heals=False)))
    assert "“timestamps shifted”" in look.sentence
    assert "develops" in look.sentence
    assert not look.command
    assert not any("tsse-validate backfill" in action.command for action in (keep, look, prove))
    assert prove.sentence.startswith("Once that is done")


def test_a_failed_check_that_no_finding_explains_is_looked_at_before_a_repair() -> None:
    failed = finished(FIRST, CheckStatus.FAILED, message="It is torn.", advice="Look.")
    _, look, prove = actions(live(failed))
    assert "It is torn. Look." in look.sentence
    assert prove.command


def test_what_the_heal_check_has_healed_is_not_repaired_again() -> None:
    healed = Finding(diagnosis="healed by a backfill", flagged=False, summary="3 sensor-days")
    _, repair, prove = actions(live(flagged(), healed))
    assert not repair.command
    assert "damaged" in repair.sentence
    assert prove.command


@pytest.mark.parametrize(
    ("records", "days"),
    [
        ((flagged(),), 90),
        ((flagged(), backfill(), *partitions()), 91),
        ((flagged(), backfill(), next(partitions())), 90),
        ((flagged(), backfill(120)), 121),
        ((flagged(day=DAYS[0]), backfill(30)), 91),
        ((flagged(day=date(2025, 1, 1)),), 365),
        ((flagged(), Finding(diagnosis="backfill not started", flagged=False, summary="", safe_days=93)), 93),
    ],
    ids=["as asked", "a day more", "the first date is not held", "longer", "as far as it must", "longest", "safe"],
)
def test_a_backfill_is_as_long_as_heals_and_cuts_no_date(records: tuple[Record, ...], days: int) -> None:
    *_, repair, prove = actions(live(*records))
    assert f"--backfill-days={days} --replace-existing --wait" in repair.command
    # one that comes after the repair begins later, on the first date that it left
    assert f"--backfill-days={min(days + 1, 365)} " in f"{prove.command} "


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"skip_backfill": "True"}, "--skip-backfill (GO needs a backfill"),
        ({"skip_qdrant": "True"}, "--skip-qdrant"),
        ({"resume": "run.jsonl"}, "--resume"),
        ({"level": "count"}, "--level"),
        ({"max_windows": "3"}, "--max-windows"),
        ({"max_job_windows": "0"}, "--max-job-windows"),
        ({"accept_loss": "True"}, "--accept-loss"),
        ({"sample": "5", "level": "rows", "max_windows": "70"}, ""),
    ],
)
def test_what_keeps_a_run_from_go_is_left_out_and_said_and_nothing_else(given: dict[str, str], said: str) -> None:
    told = actions(live(flagged(), settings=(*GIVEN, *(setting(*one) for one in given.items()))))[-1]
    kept = [name for name in given if f"--{name.replace('_', '-')}" in told.command]
    assert (f"Left out: {said}" in told.sentence) if said else (kept == list(given))
    assert bool(kept) is not bool(said)


@pytest.mark.parametrize(
    ("soak", "goes_on"),
    [
        ([soak_began(86_400), soak_seen(86_400, 9_000, 900, ended="interrupted")], True),
        ([soak_began(86_400), soak_seen(86_400, 9_000, 900, ended="")], True),
        ([soak_began(86_400), due_slice(60, differing=1), soak_seen(86_400, 9_000, 900, ended="")], False),
        ([*eventful(), soak_seen(86_400, 9_000, 900, ended="interrupted")], False),
        ([*quiet()], False),
        ([soak_began(86_400)], False),
    ],
    ids=["interrupted", "killed", "rows differ", "a breach", "completed", "nothing seen"],
)
def test_a_soak_that_was_interrupted_is_gone_on_with_by_the_next_run(soak: list[Record], goes_on: bool) -> None:
    given = (*GIVEN, setting("soak", "24h"), setting("resume", "older.jsonl"))
    told = next_run(live(*soak, settings=given))
    assert (f"--resume=reports/{run_started().run_id}/run.jsonl" in told.command) == goes_on
    assert ("its soak is gone on with" in told.said) == goes_on
    assert "older.jsonl" not in told.command
    assert "--soak=24h" in told.command


@pytest.mark.parametrize("seen", [(backfill(),), ()], ids=["a backfill completed", "none was begun"])
def test_a_loss_is_accepted_once(seen: tuple[AnyRecord, ...]) -> None:
    given = (*GIVEN, setting("accept_loss", "True"), setting("skip_backfill", "True"))
    told = actions(live(flagged(), *seen, settings=given))
    assert "--accept-loss" not in "".join(action.command for action in told)


def test_a_sample_is_left_out_where_all_is_to_be_counted() -> None:
    of = live_api_only()
    given = (*of.started.settings, setting("sample", "5"))
    of = of.model_copy(update={"started": of.started.model_copy(update={"settings": given}), "job_coverage": None})
    told = actions(of)
    assert "leave --sample out" in told[0].sentence
    assert "--sample" not in told[-1].command


def test_what_is_missing_for_a_proof_is_said_first() -> None:
    first, *_, last = actions(live_api_only(Assurance.PROOF))
    assert "give --database-url (or --setup-config) and --hot-path" in first.sentence
    assert last.sentence.startswith("Then run it again.")


def test_the_first_cause_comes_first_and_what_it_blocks_is_not_told() -> None:
    wrong = finished(FIRST, CheckStatus.UNPROVEN, message="It refuses.", advice="See its log.")
    blocked = [
        finished(key, CheckStatus.BLOCKED, message="blocked by step 1 (health)") for key in list(CHECKS)[1:]
    ]
    first, last = actions(live(wrong, *blocked))
    assert first.sentence == "It refuses. See its log."
    assert last.command.startswith("pytest")


def test_what_must_be_given_is_told_beside_all_that_failed_before() -> None:
    failing = [finished(key, CheckStatus.UNPROVEN, message=f"{key} is down.") for key in list(CHECKS)[:5]]
    told = actions(live(*failing).model_copy(update={"stack": LIVE}))
    assert "give --database-url" in told[-2].sentence
    assert len(told) == 3 + 1 + 1


def test_a_backfill_that_was_not_started_is_told_by_the_api_alone_too() -> None:
    (key,) = (key for key in CHECKS if key == "test_backfill_job_completes")
    refused = finished(
        key, CheckStatus.NOT_CHECKED, message="No backfill was started.", advice="--backfill-days 93."
    )
    finding = Finding(diagnosis="backfill not started", flagged=False, summary="", safe_days=93)
    first, *_, last = actions(live(refused, finding).model_copy(update={"stack": LIVE}))
    assert first.sentence == "No backfill was started. --backfill-days 93."
    assert last.command.endswith("--backfill-days=93")


def test_checks_that_were_not_selected_are_named() -> None:
    plans = [planned(key).model_copy(update={"selected": key != list(CHECKS)[3]}) for key in CHECKS]
    of = live().model_copy(update={"planned": tuple(plans)})
    assert any("1 check of the runbook had not been selected" in action.sentence for action in actions(of))


def test_a_secret_must_be_given_again_and_that_is_said() -> None:
    secret = SettingValue(name="auth_token", value="set", source="environment")
    password = SettingValue(name="database_url", value="set", source="environment", spelled="host=db")
    told = actions(live(flagged(), settings=(*GIVEN, secret, password)))[-1]
    assert "Set TSSE_AUTH_TOKEN first" in told.sentence
    assert "PGPASSFILE" in told.sentence
    assert "--database-url=host=db" in told.command


def test_a_stack_of_the_runs_own_is_run_again_and_left_running() -> None:
    (told,) = actions(dict(SCENARIOS)["no-go"])
    assert told.command.endswith("--keep-stack")


class Kept:
    """A lake and a run's folder, and the command that keeps their evidence, as a person runs it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.hot = base / "the 'lake'" / "hot"
        self.of_shard = self.put(f"metrics/v1/date={BAD_DAY}/shard={shard_of(BAD_SENSOR, 16)}/part-1-0.parquet")
        self.state = self.put("_state/replication.json")
        self.other = self.put("metrics/v1/date=2026-01-06/shard=00/part-1-0.parquet")
        self.run = base / "reports" / RUN_ID
        self.run.mkdir(parents=True)
        (self.run / "run.jsonl").write_text("{}\n")

    def put(self, name: str) -> Path:
        path = self.hot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        return path

    def lake(self) -> dict[Path, tuple[int, str]]:
        return {
            path: (path.stat().st_mtime_ns, path.read_text()) for path in self.hot.rglob("*") if path.is_file()
        }

    def __call__(self, *findings: Finding) -> subprocess.CompletedProcess[str]:
        given = [one for one in GIVEN if one.name != "hot_path"]
        of = live(*findings, settings=(*given, setting("hot_path", str(self.hot))))
        command = actions(of)[0].command
        return subprocess.run(["bash", "-c", command], cwd=self.base, capture_output=True, text=True, check=False)

    @property
    def evidence(self) -> Path:
        return self.base / f"tsse-evidence-{RUN_ID}"

    @property
    def packed(self) -> set[str]:
        with tarfile.open(self.evidence / "lake.tar") as tar:
            return {f"/{name}" for name in tar.getnames()}


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_the_evidence_is_copied_and_the_lake_left_as_it_is(kept: Kept) -> None:
    before = kept.lake()
    ended_well = kept(flagged())
    assert ended_well.returncode == 0, ended_well.stderr
    assert kept.packed == {str(kept.of_shard), str(kept.state)}
    assert (kept.evidence / "run" / "run.jsonl").read_text() == "{}\n"
    assert kept.lake() == before
    modes = {path.stat().st_mode & 0o222 for path in kept.evidence.rglob("*")}
    assert modes == {0}, "what is kept is not written to any more"


def test_a_second_call_does_not_replace_what_the_first_has_kept(kept: Kept) -> None:
    kept(flagged())
    kept.of_shard.write_text("repaired")
    assert kept(flagged()).returncode != 0
    with tarfile.open(kept.evidence / "lake.tar") as tar:
        stream = tar.extractfile(str(kept.of_shard).removeprefix("/"))
        assert stream is not None
        assert b"part-1-0" in stream.read()


def test_what_the_lake_has_lost_is_no_error_of_the_copying(kept: Kept) -> None:
    kept.of_shard.unlink()
    kept.of_shard.parent.rmdir()
    assert kept(flagged()).returncode == 0
    assert kept.packed == {str(kept.state)}


def test_of_many_shard_days_whole_dates_are_kept_and_of_many_dates_all(kept: Kept) -> None:
    sensors = tuple(f"sensor-{number}" for number in range(49))
    assert (
        kept(
            flagged(sensors=sensors, days=tuple(BAD_DAY + timedelta(days=number) for number in range(8)))
        ).returncode
        == 0
    )
    assert kept.packed == {str(path) for path in (kept.of_shard, kept.state, kept.other)}


def test_rows_under_a_wrong_date_are_kept_where_they_stand(kept: Kept) -> None:
    kept(flagged("wrong date", heals=False, summary="7 rows of 1 sensor on 2026-01-05, in date=2026-01-06"))
    assert kept.packed == {str(path) for path in (kept.of_shard, kept.state, kept.other)}


def test_where_this_user_may_not_read_the_lake_the_service_users_way_is_told() -> None:
    inspected = finished(FIRST, facts={"hot path": "/lake/hot", "cold path": "none"})
    of = live(inspected, flagged()).model_copy(update={"stack": LIVE})
    keep = actions(of)[0]
    assert "service user's" in keep.sentence
    assert "sudo find -L /lake/hot -type f" in keep.command
    assert "| sudo tar -c" in keep.command
    assert "&& sudo chmod -R a-w" in keep.command
    unknown = actions(of.model_copy(update={"checks": ()}))[0]
    assert "find" not in unknown.command
    assert "service user copy its files" in unknown.sentence


@pytest.mark.parametrize("named", ["-delete", "lake/hot", "/", "//", "", "!"])
def test_what_a_controller_names_is_no_word_of_a_command_that_root_runs_unless_it_is_a_path(named: str) -> None:
    inspected = finished(FIRST, facts={"hot path": named, "cold path": "-exec"})
    keep = actions(live(inspected, flagged()).model_copy(update={"stack": LIVE}))[0]
    assert "sudo" not in keep.command
    assert "find" not in keep.command


def test_the_box_stands_in_every_report_with_its_commands() -> None:
    document = ReportDocument.of(live(flagged()))
    page, commands = render_page(document), [action.command for action in what_to_do(document)]
    copied = [
        unescape(found) for found in re.findall(r'<pre class="tsse-command" tabindex="0"><code>(.*?)</code>', page)
    ]
    assert copied[:3] == commands
    for markdown in (render_markdown(document), render_step_summary(document)):
        assert [line.strip() for line in re.findall(r"```sh\n(.*?)\n *```", markdown, re.DOTALL)] == commands


def test_a_step_summary_that_is_cut_never_ends_within_a_command() -> None:
    document = ReportDocument.of(live(flagged()))
    for limit in range(2_000, 6_000, 100):
        summary = render_step_summary(document, limit)
        assert summary.count("```") % 2 == 0
        assert len(summary.encode()) <= limit
