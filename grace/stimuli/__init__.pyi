from .csv_file import read_bytes as read_bytes
from .csv_file import split_rows as split_rows
from .materials import make_stimuli as make_stimuli
from .pilot import pilot_rows as pilot_rows
from .read import Stimuli as Stimuli
from .read import read_stimuli as read_stimuli
