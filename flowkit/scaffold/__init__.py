"""New projects: the files of one, and where it is to install flowkit from."""
