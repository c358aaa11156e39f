"""From a prepared directory to an isolated process and back: the life of one container on the kernel's side.

    client      Runtime: what the rest of the engine calls (create, start, signal, wait, abort)
    spec        from settings to the OCI config.json with safe defaults; configurations: reading it back for a start
    launcher    the lean process that forks containers; birth: one create in it; init: the container's first
                process until exec; monitor: its parent until it ends

This package's parts below the launcher import the standard library's small modules alone: what the launcher
imports, every container's first process carries through its fork.
"""
