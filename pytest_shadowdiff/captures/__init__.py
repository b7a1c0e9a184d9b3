"""Packet captures -> HTTP exchanges: packets, their text form, TCP streams, messages. Nothing is compared or judged here."""
