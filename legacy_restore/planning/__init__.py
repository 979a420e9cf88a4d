"""The table of variables and keys over all models; pure data in, pure data out."""
