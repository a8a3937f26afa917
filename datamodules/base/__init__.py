"""Base code of all data modules: splits, loaders, generation, deduplication, the cache.

Nothing is imported here: the scoring process imports `generate.py` without Lightning, whose import takes seconds.
"""
