"""Published checkpoints and directions: their names, and how their files come into the cache, checked."""

from latentedit.downloads.cache import cache_folder as cache_folder
from latentedit.downloads.cache import obtain as obtain
from latentedit.downloads.cache import path_of as path_of
from latentedit.downloads.cache import recorded_sha256 as recorded_sha256
from latentedit.downloads.registry import Item as Item
from latentedit.downloads.registry import find_item as find_item
from latentedit.downloads.registry import is_url as is_url
from latentedit.downloads.registry import list_items as list_items
from latentedit.downloads.registry import suggest as suggest
from latentedit.downloads.registry import suggest_items as suggest_items
from latentedit.downloads.switches import is_offline as is_offline
from latentedit.downloads.switches import switches as switches
