"""Models that run eagerly: objects that hold variables, and no graph."""
