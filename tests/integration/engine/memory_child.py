"""Proves some days in a process that does nothing else.

``python -m tests.integration.engine.memory_child HOT DAYS DIRECTORY`` starts it; differences come into DIRECTORY.
The database's URL comes on standard input, for it holds a password. Prints how many rows agreed, how many
sensor-days differ, the rows of each diagnosis, those that were kept, and the peak of the resident memory.
"""

import json
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from tests.support.memory import peak_bytes
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.diagnosis.kept_rows import KeptRows
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES, DifferenceFiles


def main() -> None:
    lake = LakeReader(LakePaths(Path(sys.argv[1])))
    client = PostgresClient(
        SecretStr(sys.stdin.read()), connect_timeout=10, statement_timeout=300, lock_timeout=10
    )
    coverage = Coverage.promised_by(lake.replication())
    window = Window(coverage.watermark - timedelta(days=int(sys.argv[2])), coverage.watermark)
    proof = DirectProof(client, lake)
    rows = proof.compare_sensor_days(Scope(window, coverage))
    differing = [row for row in rows if not row.matches]
    with closing(DifferenceFiles([Path(sys.argv[3]) / name for name in DIFFERENCE_NAMES])) as files:
        kept = KeptRows(files, proof, coverage, lake.paths.shards)
        triage = RowTriage(lake.paths.shards, 200, kept.add)
        for comparison in proof.compare_rows(Scope(window, coverage), differing):
            triage.add(comparison)
        kept.settle(triage)
        record = files.write()
    sys.stdout.write(
        json.dumps(
            {
                "rows": sum(row.postgres for row in rows if row.matches),
                "differ": len(differing),
                "diagnoses": {finding.diagnosis: finding.rows for finding in triage.findings()},
                "kept": {file.name: file.rows for file in record.files if record.complete},
                "peak": peak_bytes(),
            }
        )
    )


if __name__ == "__main__":
    main()
