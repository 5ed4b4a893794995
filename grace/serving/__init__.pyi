from .launch import prepare as prepare
from .managed import engine_settings as engine_settings
