"""`python -m radfuse`."""

from radfuse.cli import main

if __name__ == "__main__":
    main()
