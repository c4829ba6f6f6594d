"""Plant mutants in the pure modules, and write what their tests see: ``python -m tools.mutation [module …]``.

Of modules that are named, only their part of RESULTS.md is made anew. The exit status is 1 where a mutant survives
that `survivors` does not explain, or where an explanation has no mutant left.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tools.mutation.page import PATH, parts_of, render
from tools.mutation.running import MODULES, run
from tools.mutation.survivors import EXPLAINED
from tools.mutation.table import explain


def main() -> int:
    """Run the modules one by one, and write the page after each."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("module", nargs="*", help=f"default: all of {', '.join(MODULES)}")
    parser.add_argument("--processes", type=int, default=1, help="mutants at once (%(default)s)")
    options = parser.parse_args()
    if strangers := set(options.module) - set(MODULES):
        parser.error(f"no module of these: {', '.join(sorted(strangers))}")
    problems = 0
    for module in options.module or MODULES:
        with tempfile.TemporaryDirectory(prefix="tsse-mutants-") as directory:
            mutants = run(module, Path(directory), processes=options.processes)
        explained = explain(mutants, EXPLAINED.get(module, ()))
        parts = parts_of(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
        PATH.write_text(render({**parts, module: explained.part(module)}), encoding="utf-8")
        sys.stdout.write(f"{module}: {explained.counts}\n")
        for complaint in explained.complaints():
            sys.stdout.write(f"  {complaint}\n")
            problems += 1
        sys.stdout.flush()
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
