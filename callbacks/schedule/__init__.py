"""The schedule of stages, and the marking of problems by entropy."""
