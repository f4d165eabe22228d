"""The cache's three decisions, each in one pure function: the key, whether a result is reused, and why not."""
