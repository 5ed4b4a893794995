from .examination import examine as examine
from .examination import plan as plan
from .finding import Finding as Finding
from .findings_table import show as show
from .findings_table import write as write
from .logs import find_cause as find_cause
from .logs import read_log as read_log
