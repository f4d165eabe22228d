"""Decides and performs runs: a pure state machine, the shell that feeds it, plans, and explanations."""
