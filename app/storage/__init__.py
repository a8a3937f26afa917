"""What a run keeps on disk: its folder, checkpoints, how they are resumed, and updates kept for diagnosis."""
