from .queries import Asked as Asked
from .queries import Slot as Slot
from .queries import answer_prefix as answer_prefix
from .queries import ask as ask
from .queries import asked_of_each as asked_of_each
from .templates import Expression as Expression
from .templates import Templates as Templates
