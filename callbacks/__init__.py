"""Callbacks for sampling, evaluation, saving, the stages of the schedule, and display."""
