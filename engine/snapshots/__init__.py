"""Snapshots: unpacked layers, and the writable directories of containers on top of them.

A committed snapshot is one layer's own files, named by its diff id and shared by every image that has it; a chain
id names a stack of them. An active snapshot belongs to a container (its key) and is the upper and work directory
of an overlay mount; `limits` says how much fits into them. Directories are `snapshots/<number>/fs`, short because
mount options are.
"""
