"""From sensor-days that differ to the rows that differ, and their diagnosis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tsse_validation.diagnosis.file_triage import unreadable_files
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.lake.reader import LakeFile
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow, Finding, RowDifference
from tsse_validation.settings.fields import Level


@dataclass(frozen=True)
class DrillDown:
    """The diagnosed rows, the first of the `differing` ones as `shown`; `findings` name unreadable files, too."""

    findings: Sequence[Finding]
    shown: Sequence[RowDifference]
    differing: int
    unreadable: Mapping[LakeFile, str]


def drill_down(
    proof: DirectProof,
    scope: Scope,
    days: Sequence[CountRow],
    level: Level,
    triage: RowTriage,
    on_day: Update = quiet,
) -> DrillDown:
    """Read the rows that the level asks for: of the sensor-days that differ, or all, or none."""
    if level is not Level.COUNT:
        wanted = days if level is Level.ROWS else [row for row in days if not row.matches]
        for comparison in proof.compare_rows(scope, wanted, on_day):
            triage.add(comparison)
    findings = triage.findings()
    unreadable = unreadable_files(proof.unreadable)
    if unreadable is not None and unreadable.diagnosis not in {found.diagnosis for found in findings}:
        findings.insert(0, unreadable)
    return DrillDown(findings, triage.shown, triage.differing, dict(proof.unreadable))
