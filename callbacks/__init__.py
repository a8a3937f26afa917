"""The decisions: when to sample and evaluate, which objective a stage trains, what the user sees."""
