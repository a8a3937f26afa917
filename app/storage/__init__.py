"""A run's files: its folder, checkpoints and resuming from them, and updates saved for diagnosis."""
