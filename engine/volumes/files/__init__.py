"""The files of a volume, looked at and changed by people, while containers that may be hostile change them too.

    paths      what a path may look like        beneath   the system calls that keep a path inside
    tree       an open directory, and what a path below it names
    entry      one file as it is told           listing   a directory, a page at a time
    changing   make, move, remove, own          owning    own, with all that is below
    reading, writing   a file's bytes, through a pipe
    service    all of it for the volumes of a home

Every path is resolved by openat2(2) beneath the volume's own directory (RESOLVE_BENEATH, no magic links, no other
file system): a link, absolute or with `..`, that would lead out ends in an error, also when it is put there while the
path is walked. What is opened is looked at as a path (O_PATH) first, so that no device is ever opened and no pipe
waited for; what is changed is changed by descriptor, or by a last name in a directory that is open and followed
nowhere. Owners are told as they stand on the disk, which are the container's own.
"""
