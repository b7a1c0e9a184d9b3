"""Kubernetes as we use it: connections, objects, leases, a journal of changes, port-forwards, log streams.

The only importer of the Kubernetes client. Nothing here changes an object that has not been journalled in the
cluster first, and nothing changes anything once its lease has gone to another.
"""
