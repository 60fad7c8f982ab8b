from aidx import errors


def test_every_error_has_its_exit_code_and_a_code_of_its_own() -> None:
    tree = [errors.AidxError, *_below(errors.AidxError)]
    assert {error.__name__: error.exit_code for error in tree} == {
        "AidxError": 1,
        "InputError": 2,
        "HeaderError": 2,
        "BudgetError": 3,
        "EngineError": 4,
        "CheckError": 5,
    }
    assert len({error.code for error in tree}) == len(tree)


def test_a_header_error_says_where() -> None:
    error = errors.HeaderError("string of 9 bytes runs past the end", offset=24, field="key 0")
    assert str(error) == "string of 9 bytes runs past the end (key 0 at byte 24)"
    assert (error.offset, error.field) == (24, "key 0")


def _below(error: type) -> list[type]:
    """The errors of the tree; packages that carry numbers or reasons along refine them."""
    subs = [sub for sub in error.__subclasses__() if sub.__module__ == errors.__name__]
    return [found for sub in subs for found in (sub, *_below(sub))]
