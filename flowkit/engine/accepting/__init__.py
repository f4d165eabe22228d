"""Lets a result stand for edited code, by the word of a person."""
