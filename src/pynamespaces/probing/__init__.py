"""What this kernel lets this caller do, and why not: found by trying, in a child."""

from ._explain import Explanation as Explanation
from ._explain import explain as explain
from ._support import Support as Support
from ._support import support as support
from .records import Access as Access
from .records import Operation as Operation
from .records import Outcome as Outcome
