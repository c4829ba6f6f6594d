"""Make the failure matrix anew: ``python -m tests.system.failures``; of named mistakes, only their lines."""

import sys

from tests.system.failures.matrix import HONEST_NAME, PATH, MatrixLine, lines_of, render
from tests.system.failures.mutants import FAILURE_MUTANTS
from tests.system.failures.trials import trials
from tsse_validation.settings.definitions import Settings


def main(names: list[str]) -> int:
    """Try the mistakes on the scenarios that are to see them, and write their lines."""
    lines = lines_of(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    watchers = list(dict.fromkeys(key for mutant in FAILURE_MUTANTS.values() for key in mutant.seen_by))
    plan = {HONEST_NAME: watchers, **{name: [*mutant.seen_by] for name, mutant in FAILURE_MUTANTS.items()}}
    wrong = 0
    with trials(Settings().failure_seed) as arena:
        for mistake in names or plan:
            for tried in arena.tried(None if mistake == HONEST_NAME else mistake, plan[mistake]):
                line = MatrixLine.of(None if mistake == HONEST_NAME else mistake, tried)
                lines[line.key] = line
                wrong += line.outcome != ("recovered" if mistake == HONEST_NAME else "lost")
                PATH.write_text(render(lines.values()), encoding="utf-8")
                sys.stdout.write(f"{line.mistake}, {line.scenario}: {line.outcome}: {line.told}\n")
                sys.stdout.flush()
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
