"""`python -m tsse_validation` is `tsse-validate`."""

from tsse_validation.cli import main

main()
