"""What restoring takes in graphs and in eager programs: files, values, reports."""
