"""Every error that a person can meet, word for word."""
