"""Proves that the TSSE Parquet lake holds exactly what Postgres holds.

The packages are layers: `docs/ARCHITECTURE.md` has the flow, each package in a line, and a glossary.
"""

from importlib.metadata import version

__version__ = version("tsse-validation")
