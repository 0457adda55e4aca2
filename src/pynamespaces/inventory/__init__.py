"""Finding namespaces: `scan`, and what it gives."""

from ._inventory import Hierarchy as Hierarchy
from ._inventory import Inventory as Inventory
from ._scan import scan as scan
from .records import Container as Container
from .records import Holder as Holder
from .records import InventoryDiff as InventoryDiff
from .records import Move as Move
from .records import NamespaceRecord as NamespaceRecord
from .records import Node as Node
from .records import Pin as Pin
from .records import ProcessRecord as ProcessRecord
from .records import Unreadable as Unreadable
