"""Compares a whole lake, and keeps what differs: ``python -m tools.benchmarks.differing_child HOT [FILE...]``.

The database's URL comes on standard input, for it holds a password. Prints how many rows differ, and the peak of
the resident memory in bytes.
"""

import json
import sys
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from tests.support.memory import peak_bytes
from tools.benchmarks.dataset import SHARDS
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.diagnosis.drill_down import drill_down
from tsse_validation.diagnosis.kept_rows import KeptRows
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.difference_files import DifferenceFiles
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.fields import Level

_SHOWN = 200


def main() -> None:
    """Compare, as step 6 does."""
    lake = LakeReader(LakePaths(Path(sys.argv[1]), None, SHARDS))
    proof = DirectProof(PostgresClient.from_settings(SecretStr(sys.stdin.read()), Settings()), lake)
    coverage = Coverage.promised_by(lake.replication())
    scope = Scope.covered_by(coverage)
    days = proof.compare_sensor_days(scope)
    files = [Path(name) for name in sys.argv[2:]]
    if files:
        with closing(DifferenceFiles(files)) as kept_in:
            kept = KeptRows(kept_in, proof, coverage, SHARDS)
            triage = RowTriage(SHARDS, _SHOWN, kept.add)
            found = drill_down(proof, scope, days, Level.DIGEST, triage)
            kept.settle(triage)
            record = kept_in.write()
        assert record.complete, record.why
        assert record.rows == found.differing
    else:
        found = drill_down(proof, scope, days, Level.DIGEST, RowTriage(SHARDS, _SHOWN))
    sys.stdout.write(json.dumps({"differing": found.differing, "peak": peak_bytes()}))


if __name__ == "__main__":
    main()
