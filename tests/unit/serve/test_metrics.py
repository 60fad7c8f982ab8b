"""Numbers as Prometheus reads them, by its own parser."""

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from aidx.serve.metrics import Metrics, Reading, Served

OK = Served("editor", "tiny.gguf", "chat", 200, "", 0.5, 0.01, 0.1, 1000, 60)
FULL = Served("editor", "tiny.gguf", "chat", 429, "kv_budget_exhausted", 0.001)


def families(metrics, readings=()):
    text = metrics.render(readings).decode()
    assert text.endswith("\n")
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(family, name, **labels):
    """Of the one sample that has *labels*; an empty one is one that is not there."""
    found = [
        one.value
        for one in family.samples
        if one.name == name and all(one.labels.get(label, "") == text for label, text in labels.items())
    ]
    assert len(found) == 1, family.samples
    return found[0]


def test_requests_are_counted_by_status_and_code():
    metrics = Metrics()
    for served in (OK, OK, FULL):
        metrics.note(served)

    found = families(metrics)["aidx_requests"]
    assert found.type == "counter"
    assert value(found, "aidx_requests_total", role="editor", status="200", code="") == 2
    assert value(found, "aidx_requests_total", status="429", code="kv_budget_exhausted") == 1


def test_genai_histograms_have_the_conventions_names_and_labels():
    metrics = Metrics()
    metrics.note(OK)
    metrics.note(FULL)
    found = families(metrics)

    duration = found["gen_ai_server_request_duration_seconds"]
    assert duration.type == "histogram"
    labels = {"gen_ai_operation_name": "chat", "gen_ai_request_model": "tiny.gguf", "gen_ai_provider_name": "aidx"}
    failed = {**labels, "error_type": "kv_budget_exhausted"}
    assert value(duration, "gen_ai_server_request_duration_seconds_count", **failed) == 1
    first = found["gen_ai_server_time_to_first_token_seconds"]
    assert value(first, "gen_ai_server_time_to_first_token_seconds_sum", **labels) == pytest.approx(0.11)  # queue, too
    assert value(first, "gen_ai_server_time_to_first_token_seconds_bucket", le="0.25", **labels) == 1
    for way, tokens in (("input", 1000), ("output", 60)):
        each = found[f"gen_ai_client_inference_operation_{way}_tokens"]
        assert each.type == "histogram"
        assert value(each, f"{each.name}_sum", gen_ai_provider_name="aidx", error_type="") == tokens
        used = found[f"gen_ai_client_inference_usage_{way}_tokens"]
        assert used.type == "counter"
        assert value(used, f"{used.name}_total", **labels, gen_ai_token_modality="text") == tokens


def test_tokens_of_answers_that_broke_off_were_used_and_their_first_byte_is_not_counted():
    metrics = Metrics()
    metrics.note(OK)
    metrics.note(replace(OK, code="engine_failed", status=502))
    found = families(metrics)

    used = found["gen_ai_client_inference_usage_output_tokens"]
    assert value(used, f"{used.name}_total") == 120
    first = found["gen_ai_server_time_to_first_token_seconds"]
    assert value(first, f"{first.name}_count") == 1


def test_embeddings_have_a_name_of_their_own_and_no_answer():
    metrics = Metrics()
    metrics.note(replace(OK, kind="embedding", completion=None))
    found = families(metrics)

    read = found["gen_ai_client_embeddings_operation_input_tokens"]
    assert value(read, f"{read.name}_sum", gen_ai_operation_name="embeddings") == 1000
    assert not found["gen_ai_client_inference_usage_input_tokens"].samples


@pytest.mark.parametrize(
    ("seconds", "within"), [(0.01, {"0.01", "0.02", "+Inf"}), (0.0100001, {"0.02", "+Inf"}), (1e9, {"+Inf"})]
)
def test_buckets_hold_what_is_at_most_their_bound_and_add_up(seconds, within):
    metrics = Metrics()
    metrics.note(replace(OK, seconds=seconds))
    samples = families(metrics)["gen_ai_server_request_duration_seconds"].samples
    buckets = {one.labels["le"]: one.value for one in samples if one.name.endswith("_bucket")}

    assert {bound for bound, count in buckets.items() if count} >= within
    assert list(buckets.values()) == sorted(buckets.values())
    assert len(buckets) == 15


def test_what_is_read_now_comes_first_and_labels_are_escaped():
    readings = [
        Reading("aidx_kv_cells", "gauge", "Cells.", {"role": 'a"b\\c\nd'}, 7),
        Reading("aidx_slots", "gauge", "Slots.", {}, 2),
        Reading("aidx_kv_cells", "gauge", "Cells.", {"role": "other"}, 9),
    ]
    found = families(Metrics(), readings)

    assert [one.labels for one in found["aidx_kv_cells"].samples] == [{"role": 'a"b\\c\nd'}, {"role": "other"}]
    assert value(found["aidx_slots"], "aidx_slots") == 2
