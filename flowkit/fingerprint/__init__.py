"""What code, values, files and the environment are, as digests that agree between processes and machines."""
