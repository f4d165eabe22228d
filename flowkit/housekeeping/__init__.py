"""What keeps a store in order beside runs: verifying, collecting, backing up, examining."""
