"""The page a browser shows: a report as one self-contained HTML document. Pure."""
