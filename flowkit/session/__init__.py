"""`Session` and `run`: what a person calls from Python, and the command line through it."""
