"""One puzzle a file: each makes problems from a random stream."""
