"""Forward passes that fit: attention over shared prompts, large linear layers, allocation and its estimate."""
