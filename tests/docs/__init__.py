"""Every fenced block of README.md and docs/ runs and says what it shows."""
