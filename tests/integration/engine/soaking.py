"""A soak on a farm: its prover, and what it has recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.integration.engine.farm import Farm
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.coverage import Coverage
from tsse_validation.runlog.log import RunLog
from tsse_validation.runlog.records import Finding, Record, RowDifference
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.runlog.soak_records import SoakSlice
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.soak_proving import RowsProver


@dataclass
class RecordingRun(ValidationRun):
    records: list[Record] = field(default_factory=list)

    def record(self, *records: Record) -> None:
        self.records += records


class Soak:
    """A soak that begins now: what was due by then counts as proven."""

    def __init__(
        self,
        farm: Farm,
        directory: Path,
        *,
        present: Callable[[], Coverage] | None = None,
        active: Callable[[], Sequence[ActiveJob] | None] = lambda: (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        redactor = Redactor([])
        loaded = load_settings({"shards": farm.shards, "window_seed": 7}, directory, for_run=False)
        self.run = RecordingRun(loaded, redactor, directory, RunLog(directory / "run.jsonl", redactor), {})
        self.farm = farm
        self.prover = RowsProver(
            self.run,
            farm.client,
            farm.reader,
            (present or farm.coverage)(),
            present=present or farm.coverage,
            now=farm.clock,
            active=active,
        )

    def close(self) -> None:
        self.run.log.close()
        self.run.differences.close()

    @property
    def watermark(self) -> datetime:
        return self.farm.coverage().watermark

    def slice(self) -> SoakSlice:
        """Compare what the last pass has made due."""
        compared = self.prover.newly_due(self.watermark)
        assert compared is not None
        return compared

    def pass_by(self, **span: float) -> SoakSlice:
        """Replicate after a while, and compare what is due then."""
        self.farm.clock.advance(**(span or {"minutes": 1}))
        self.farm.replicate()
        return self.slice()

    def since_start(self) -> SoakSlice:
        compared = self.prover.since_start(self.watermark)
        assert compared is not None
        return compared

    def whole_range(self) -> SoakSlice:
        compared = self.prover.whole_range()
        assert compared is not None
        return compared

    @property
    def findings(self) -> list[Finding]:
        return [record for record in self.run.records if isinstance(record, Finding)]

    @property
    def flagged(self) -> dict[str, int]:
        """The rows of each diagnosis that speaks against the release."""
        rows: dict[str, int] = {}
        for finding in self.findings:
            if finding.flagged:
                rows[finding.diagnosis] = rows.get(finding.diagnosis, 0) + finding.rows
        return rows

    @property
    def shown(self) -> list[RowDifference]:
        return [record for record in self.run.records if isinstance(record, RowDifference)]

    @property
    def slices(self) -> list[SoakSlice]:
        return [record for record in self.run.records if isinstance(record, SoakSlice)]
