"""Layers become directories: safely, whatever their tar says, and fast.

    blob (growing file) ──► child process, chrooted into the layer's own directory
                              feeder thread: read → inflate → sha256 (diff id) ──queue──► main thread: tar → files

The parent (`unpack.Unpacking`) says how many bytes of the blob are there yet; the child needs nothing else. `packings`
has what else archives of people are packed by.
"""
