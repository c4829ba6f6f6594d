"""The contract's endpoints as tables of cases, and the rules that an answer is held against."""
