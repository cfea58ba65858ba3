"""Fused losses anywhere torch runs: strips of label rows that fit the cache, in plain torch."""
