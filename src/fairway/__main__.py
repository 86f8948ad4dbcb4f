"""`python -m fairway`."""

from fairway.cli.entry import main

if __name__ == "__main__":
    main()
