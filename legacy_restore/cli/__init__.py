"""The command line: flags, stdout and exit codes, and nothing else."""
