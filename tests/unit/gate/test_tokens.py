from aidx.gate.tokens import certain_bytes


def test_what_a_template_may_trim_does_not_count():
    assert certain_bytes([" \n a b \n", "é", ""]) == 3 + 2
