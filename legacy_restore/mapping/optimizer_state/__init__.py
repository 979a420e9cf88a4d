"""What optimizers keep for variables, and how one's state becomes another's."""
