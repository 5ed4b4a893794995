from .automatic import report_over_all as report_over_all
from .automatic import report_run as report_run
