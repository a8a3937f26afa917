"""Speed and memory of forward passes: attention over shared prompts, linear layers, allocation, estimates."""
