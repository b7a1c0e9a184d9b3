"""Envoy as we use it: its configuration, its process, its tap stream, its statistics. Nothing here knows of pairs or verdicts.

One Envoy serves a run. Callers' requests come in at `entry`, whose route mirrors; before each version stands a listener of
its own with the HTTP tap, as a sidecar has it, since the tap is a downstream filter and the answer to a copy is discarded:

    entry ──► primary   (tap) ──► the primary
      └copy─► candidate (tap) ──► the candidate
"""
