"""An HTML page read back by a parser that shares nothing with the writer."""

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects text, tags with their attributes, and every attribute that could fetch something."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.open = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(self.text)

    def segments(self, what):
        return [int(attrs["data-bytes"]) for tag, attrs in self.tags if tag == "g" and attrs.get("data-what") == what]
