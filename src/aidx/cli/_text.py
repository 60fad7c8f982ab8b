"""Text from files and command lines, made safe to print."""


def printable(text: str) -> str:
    """*text* on one line: white space folded, control and direction characters as escapes."""
    return safe(" ".join(text.split()))


def safe(line: str) -> str:
    """*line* with control and direction characters, line ends too, as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
