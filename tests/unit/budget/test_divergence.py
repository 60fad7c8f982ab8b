"""The statistics of a measured loss, and the format of a fingerprint."""

import random
from math import log

import pytest
from msgspec import structs

from aidx.budget.divergence import Scored, Top, grade, more_loss, quantile, summarise, windows
from aidx.budget.fingerprint import TOP, About, Fingerprint, compared, parse, render, row
from aidx.errors import InputError


def draws():
    return random.Random(1).randrange


@pytest.mark.parametrize(
    ("kld", "word"),
    [
        *((0.0, "lossless"), (0.002, "lossless"), (0.0054, "excellent"), (0.031, "good")),
        *((0.072, "degraded"), (0.1, "poor"), (0.45, "broken")),
    ],
)
def test_published_types_get_the_word_that_fits_them(kld, word):
    assert grade(kld) == word


def test_windows_are_whole_and_begin_as_the_model_wants():
    assert windows(range(11), 4, None) == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert windows(range(11), 4, 99) == ((99, 1, 2, 3), (99, 5, 6, 7))
    assert windows(range(11), 4, None, 1) == ((0, 1, 2, 3),)
    assert windows(range(3), 4, None) == ()


def test_a_constant_has_no_spread():
    found = summarise([Scored(log(2), log(4), 0.5, same=True)] * 200, draws())

    assert (found.kld_mean, found.kld_p999, found.top1_agreement) == (0.5, 0.5, 1.0)
    assert found.kld_ci95 == pytest.approx((0.5, 0.5))
    assert (found.ppl, found.ppl_reference) == pytest.approx((2, 4))
    assert found.ppl_ratio_ci95 == pytest.approx((0.5, 0.5))


def test_neighbours_that_are_alike_widen_the_interval():
    """64 tokens of one kind, then 64 of another: single tokens would promise eight times too much."""
    alike = [Scored(1, 1, float(number // 64 % 2), same=False) for number in range(64 * 40)]
    mixed = [Scored(1, 1, float(number % 2), same=False) for number in range(64 * 40)]
    wide, narrow = (summarise(each, draws()).kld_ci95 for each in (alike, mixed))

    assert wide.high - wide.low == pytest.approx(4 * 0.5 / 40**0.5, rel=0.15)
    assert narrow.high - narrow.low < 0.01


def test_what_loses_more_everywhere_is_told_apart():
    less = [Scored(1, 1, 0.01 * (number % 7), same=True) for number in range(1000)]
    more = [Scored(1, 1, 0.01 * (number % 7) + 0.001, same=True) for number in range(1000)]

    assert more_loss(less, more, draws()) == pytest.approx((0.001, 0.001))
    assert quantile([0.0, 1.0], 0.25) == 0.25


def sample():
    about = About("m", "0" * 64, "1" * 64, 100, 8, 2)
    others = ([70, 71, 72], [log(0.1 / 30)] * 3)
    rows = tuple(row(Top(1.5, list(range(TOP)), [log(0.9 / TOP)] * TOP, *others)) for _ in range(2 * 3))
    return Fingerprint(about, (tuple(range(8)), tuple(range(8, 16))), rows)


def test_a_fingerprint_is_read_as_it_was_written():
    read = parse(render(sample()))

    assert (read.about, read.windows) == (sample().about, sample().windows)
    assert read.rows[0].ids == sample().rows[0].ids
    assert read.rows[0].shares == pytest.approx(sample().rows[0].shares, rel=1e-3)
    assert read.rows[0].tail == pytest.approx(0.1, abs=1e-6)
    assert read.rows[0].drawn == (70, 71, 72, 0, 0, 0, 0, 0)
    assert read.rows[0].drawn_shares == pytest.approx((*[log(0.1 / 30)] * 3, *[-60_000.0] * 5), rel=1e-3)


def test_a_token_that_the_vocabulary_does_not_have_is_refused():
    far = sample().rows[0]._replace(drawn=(100, *[0] * 7))

    with pytest.raises(InputError, match="not in its vocabulary"):
        parse(render(structs.replace(sample(), rows=(far, *sample().rows[1:]))))


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: raw[:9], lambda _: b"GGUF"]
)
def test_a_damaged_fingerprint_is_refused(damage):
    with pytest.raises(InputError, match="fingerprint"):
        parse(damage(render(sample())))


def test_any_byte_may_be_wrong_and_nothing_else_is_raised():
    raw, dice = render(sample()), random.Random(7)
    for _ in range(2000):
        data = bytearray(raw)
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data) if dice.random() < 0.2 else 260)] = dice.randrange(256)
        try:
            parse(bytes(data))
        except InputError:
            continue


def pair(dice):
    """Two distributions over 300 tokens, the reference's 64 likeliest tokens, and their full divergence."""
    masses = [[dice.random() ** 4 + 1e-6 for _ in range(300)] for _ in range(2)]
    theirs, mine = ([value / sum(mass) for value in mass] for mass in masses)
    full = sum(p * log(p / q) for p, q in zip(theirs, mine, strict=True))
    return theirs, mine, sorted(range(300), key=theirs.__getitem__, reverse=True)[:TOP], full


def seen(theirs, mine, ids, drawn):
    reference = row(Top(0.0, ids, [log(theirs[each]) for each in ids], drawn, [log(theirs[each]) for each in drawn]))
    return compared(reference, 0.0, 0, [log(mine[each]) for each in (*ids, *drawn, *[0] * (8 - len(drawn)))])


def test_merging_the_others_never_raises_a_divergence():
    dice = random.Random(3)
    for _ in range(50):
        theirs, mine, ids, full = pair(dice)
        found = seen(theirs, mine, ids, [])

        assert 0 <= found.bound == found.kld <= full + 1e-12


def test_what_is_drawn_of_the_others_makes_up_for_what_the_bound_lacks():
    dice = random.Random(5)
    theirs, mine, ids, full = pair(dice)
    others = [token for token in range(300) if token not in ids]
    odds = [theirs[token] for token in others]
    found = [seen(theirs, mine, ids, dice.choices(others, odds, k=8)) for _ in range(4000)]

    assert found[0].bound < 0.8 * full
    assert sum(each.kld for each in found) / len(found) == pytest.approx(full, rel=0.02)
    assert min(each.kld - each.bound for each in found) >= 0


def test_the_bound_is_summed_up_beside_the_estimate():
    scored = [Scored(1, 1, 0.3, same=True, bound=0.1), Scored(1, 1, 0.1, same=True, bound=0.1)]

    assert summarise(scored, draws()).kld_bound == pytest.approx(0.1)
    assert summarise([Scored(1, 1, 0.3, same=True)] * 2, draws()).kld_bound is None
