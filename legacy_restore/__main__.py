"""``python -m legacy_restore``: the same as the command ``legacy-restore``."""

from legacy_restore.cli.main import main

if __name__ == "__main__":
    main()
