"""What `doctor` looks at: the installation, the store, the clock, the workers. Nothing here changes anything."""
