"""Files of a container or a volume go out and in as tar streams; a container can be as hostile as it likes.

    transfer   the caller's side: one child process for each stream, its descriptor, how it ended
    child      that process: enters the container's root, says what was found, moves the bytes
    places     how a root is entered, and what a path in it stands for
    packing    files → tar          arriving, unpacking   tar → files
    copying    files → files, as alike as can be
    difference a container's own layer → an image's
    capability a program's capabilities, whoever root is

A child changes its root to the container's before it touches a name, so that the kernel resolves every link inside
of it, and works on open descriptors from then on: what a container renames meanwhile is another of its own files at
most. It loads no code any more once it is inside (as CVE-2019-14271 did).
"""
