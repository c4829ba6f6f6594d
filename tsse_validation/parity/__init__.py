"""Compares Postgres and the lake: by digest, by rows, and by the controller's own job."""
