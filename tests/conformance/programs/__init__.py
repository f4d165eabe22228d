"""Generated programs, edits of them, and what each edit must change, told without asking flowkit."""
