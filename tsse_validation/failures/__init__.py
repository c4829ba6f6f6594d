"""Failure scenarios: a stack of our own is struck, and the lake must be whole once it is back."""
