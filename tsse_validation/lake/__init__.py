"""Reads the lake's directories, state files and rows, never writes them (contract section 4)."""
