"""`python -m grace` is the console script `grace`."""

from grace.cli import main

if __name__ == "__main__":
    main()
