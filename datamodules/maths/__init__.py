"""Answers to questions of mathematics: reading them, measuring them, comparing them."""
