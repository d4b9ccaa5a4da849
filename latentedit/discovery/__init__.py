"""Finding directions: one method a file."""

from collections.abc import Callable

from latentedit.direction import Direction
from latentedit.discovery.channels import rank_channels as rank_channels
from latentedit.discovery.components import find_components as find_components
from latentedit.discovery.factorization import factorize as factorize
from latentedit.discovery.finding import METHODS as METHODS
from latentedit.discovery.finding import calibrate as calibrate
from latentedit.discovery.finding import discover as discover
from latentedit.discovery.finding import discover_by_gradient as discover_by_gradient
from latentedit.discovery.finding import measure_covariance as measure_covariance
from latentedit.discovery.learning import Schedule as Schedule
from latentedit.discovery.learning import hold_scores as hold_scores
from latentedit.discovery.learning import keep_identity as keep_identity
from latentedit.discovery.learning import learn_direction as learn_direction
from latentedit.discovery.learning import stay_near as stay_near
from latentedit.discovery.nonlinear import NonlinearEdit as NonlinearEdit
from latentedit.discovery.nonlinear import is_nonlinear as is_nonlinear
from latentedit.discovery.nonlinear import learn_nonlinear as learn_nonlinear
from latentedit.discovery.nonlinear import load_nonlinear as load_nonlinear
from latentedit.discovery.nonlinear import save_nonlinear as save_nonlinear
from latentedit.discovery.steadying import steady as steady

UNSUPERVISED: dict[str, Callable[..., list[Direction]]] = {"pca": find_components, "sefa": factorize}
