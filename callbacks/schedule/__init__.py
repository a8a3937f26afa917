"""Stages, and the switch by entropy."""
