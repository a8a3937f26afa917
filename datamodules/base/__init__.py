"""What all data modules share: splits, loaders, drawing, deduplication, the cache.

Nothing is imported here: the process that scores imports `generate.py` without Lightning, which takes seconds.
"""
