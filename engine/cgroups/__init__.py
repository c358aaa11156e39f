"""What a container may use, enforced and counted by the kernel's control groups, whichever version it has.

from engine.cgroups import Cgroups, Resources

hierarchy    which controllers this machine has, and where
files        reading and writing one value, with errors that name the file
limiting     from Resources to files, by either version
v1/, v2/     one small module per controller: from a limit to the files that hold it
service      Cgroups: create, limit, freeze, count, kill and remove a container's groups
"""

from engine.cgroups.hierarchy import Hierarchy
from engine.cgroups.resources import MINIMUM_MEMORY_BYTES, Resources
from engine.cgroups.service import Cgroups, Entrance

__all__ = ["MINIMUM_MEMORY_BYTES", "Cgroups", "Entrance", "Hierarchy", "Resources"]
