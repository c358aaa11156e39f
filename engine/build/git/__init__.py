"""Git repositories as sources of builds: ADD, and contexts.

    fetching    here: asks a child, unpacks the tar that it writes
    child       a process without capabilities; every address it may connect to is looked at (`engine/build/reach.py`)
    repository  in the child: refs → commit → pack           checkout   in the child: a commit's files as a tar

Nothing of a repository is executed, and its names are a stranger's: the tar goes through the unpacker of layers.
"""
