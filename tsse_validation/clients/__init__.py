"""Clients of the services under validation: core-server, Qdrant and Postgres."""
