from .examine import examine as examine
from .examine import plan as plan
from .finding import Finding as Finding
from .read_log import find_cause as find_cause
from .read_log import read_log as read_log
from .show import show as show
from .show import write as write
