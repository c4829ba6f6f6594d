"""Proves that the TSSE Parquet lake holds exactly what Postgres holds.

Data flows one way, and a module imports only from its left:
settings → stack → clients → steps → parity → triage → verdict → report.
"""

from importlib.metadata import version

__version__ = version("tsse-validation")
