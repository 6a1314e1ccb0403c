"""``python -m pymodels``: the same as the command ``pymodels``."""

from pymodels.command import application

if __name__ == "__main__":
    application(prog_name="pymodels")
