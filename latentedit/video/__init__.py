"""Moving pictures: when each frame shows what, how a frame looks, and the files that hold them."""

from latentedit.video.encoding import check_video as check_video
from latentedit.video.encoding import write_video as write_video
from latentedit.video.stage import Stage as Stage
from latentedit.video.timing import ease as ease
from latentedit.video.timing import interpolate as interpolate
from latentedit.video.timing import legs as legs
from latentedit.video.timing import ping_pong as ping_pong
