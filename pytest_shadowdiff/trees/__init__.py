"""Trees of values -> where they differ: one walk that prunes what is equal, lists aligned, everything bounded.

Nothing here knows a media type or reads a byte: a kind of body makes the trees, the rules say what is silent.
"""
