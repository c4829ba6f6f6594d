"""Sealed digests: what one side holds of each sensor-day, in a file that travels; made, held to, and compared."""
