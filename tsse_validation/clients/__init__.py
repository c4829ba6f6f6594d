"""Clients of what is under validation: core-server, Qdrant, Postgres, and the lake's files."""
