"""When to sample, evaluate and save, which objective a stage trains, and what the user sees."""
