"""`linux.cgroupsPath` and `linux.resources` of a bundle, on version 1, hybrid and version 2 control groups.

Without engine.cgroups' classes: a command line lives for milliseconds, and their imports would be a third of them.
"""
