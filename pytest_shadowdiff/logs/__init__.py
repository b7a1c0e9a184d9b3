"""Logs of versions: lines as they are written, and what they say of requests. Nothing is paired with other sides or judged here."""
