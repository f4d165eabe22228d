"""What a step reads without declaring it: files, folders' names, whether something is there, environment variables."""
