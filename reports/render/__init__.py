"""Tables as Markdown, CSV and for the terminal."""
