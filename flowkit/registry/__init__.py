"""The registry: versions of models, aliases that point to them, gates in between, and a log of who moved what."""
