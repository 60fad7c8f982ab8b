"""Elements as values."""

from aidx.page.markup import Markup, escape, join, tag


def test_text_is_escaped_and_elements_are_not():
    assert tag("p", "a < b", tag("b", "&")) == "<p>a &lt; b<b>&amp;</b></p>"


def test_attributes_are_escaped_named_and_left_out():
    assert tag("i", class_='"x"', data_what="1", id=None) == '<i class="&quot;x&quot;" data-what="1"></i>'


def test_void_elements_close_themselves():
    assert tag("br") + tag("rect", width="1") == '<br/><rect width="1"/>'


def test_an_attribute_may_be_called_name():
    assert tag("meta", name="a") == '<meta name="a"/>'


def test_escaping_twice_is_escaping_once():
    assert escape(escape("<")) == "&lt;"
    assert join(["<", Markup("<b>")], " & ") == "&lt; &amp; <b>"
