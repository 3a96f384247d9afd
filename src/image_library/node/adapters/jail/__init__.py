"""Where programs run that open foreign bytes: they read what they were handed, and reach nothing else."""

from image_library.node.adapters.jail.jail import Jail, JailLimits, JailResult
from image_library.node.adapters.jail.walls import Wall, best_wall

__all__ = ["Jail", "JailLimits", "JailResult", "Wall", "best_wall"]
