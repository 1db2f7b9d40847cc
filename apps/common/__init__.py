"""What several apps trust: flags, run folders, scores, export, reports."""
