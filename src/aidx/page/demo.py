"""The demo's page: a budget table from the literature beside exact ones, then a real model held to its plan."""

from collections.abc import Mapping

from aidx.budget.compare import Difference
from aidx.budget.ledger import What
from aidx.budget.sizes import gib
from aidx.page.bar import balance
from aidx.page.figures import grouped
from aidx.page.groups import LABELS
from aidx.page.markup import Markup, escape, join, tag
from aidx.page.parts import device, document, figure, foot, table
from aidx.page.picture import extent
from aidx.page.report import VERDICTS
from aidx.page.story import Budget, Carried, Edit, Refusal, Running, Story

STATED_LABELS: Mapping[What, str] = {**LABELS, "driver": "OS and framework"}
_SIGNS = {"+": "plus", "-": "minus"}


def render(story: Story) -> str:
    """The page of *story*, complete in itself."""
    return document(
        "aidx demo",
        tag("h1", "One ledger: planned, enforced, measured"),
        tag(
            "p",
            "Every figure on this page was computed or measured by the run that wrote it, offline.",
            class_="soft",
        ),
        *_budget(story.budget),
        *_running(story.running),
        *_edit(story.edit),
        *_refusal(story.refusal, story.running),
        *_pipeline(story.carried),
        foot(f"Engine {story.running.build}", f"Plan {story.running.plan.plan_hash}"),
    )


def _budget(budget: Budget) -> tuple[Markup, ...]:
    model = next(iter(budget.plans.values())).roles[0]
    rows = [(row.component, gib(row.stated), gib(row.exact), grouped(row.exact), row.verdict) for row in budget.table]
    claims = [
        (claim.claim, gib(claim.claimed_bytes), gib(claim.exact_bytes), claim.verdict, claim.note)
        for claim in budget.claims
    ]
    return (
        tag("h2", f"1. A {gib(budget.stated.total)} card, planned to the byte"),
        tag(
            "p",
            f"{model.model.name} with a context of {grouped(model.settings.ctx_size)} tokens. The first bar is the "
            "budget table of Model Sizing, Quantization, and VRAM Budgeting for Local Deployment (V. Rudakov); the "
            "others are plans.",
        ),
        *_bars(budget),
        table(
            ("Component", "Article", "Exact", "Bytes", "The article's figure"),
            rows,
            caption="The article's table beside the exact one",
            numbers=(1, 2, 3),
        ),
        tag(
            "details",
            tag("summary", "Every figure that the article states"),
            table(("Claim", "Claimed", "Exact", "Verdict", "Note"), claims, caption="Figures", numbers=(1, 2)),
        ),
    )


def _bars(budget: Budget) -> tuple[Markup, ...]:
    """The article's table and the plans, drawn to one scale."""
    accounts = {name: plan.ledger.accounts[0] for name, plan in budget.plans.items()}
    scale = max(map(extent, accounts.values()))
    stated = figure(budget.stated, "stated", STATED_LABELS, scale)
    return (
        tag("section", tag("h3", "The article's table"), stated),
        *(
            tag("section", tag("h3", f"{name}: {balance(account)}"), figure(account, f"card-{name}", scale=scale))
            for name, account in accounts.items()
        ),
    )


def _running(running: Running) -> tuple[Markup, ...]:
    role = running.plan.roles[0]
    verdict = "It took what was planned." if running.holds else "It did not take what was planned."
    rows = [_compared(difference) for difference in running.differences]
    return (
        tag("h2", f"2. {role.model.name}, planned for this machine and started"),
        tag(
            "div",
            tag("p", tag("strong", verdict)),
            tag(
                "p",
                f"{VERDICTS[running.plan.verdict]} Its process holds {gib(running.resident)} of memory.",
                class_="soft",
            ),
            class_="verdict" if running.holds else "verdict over",
            data_holds="yes" if running.holds else "no",
        ),
        table(
            ("Device", "What", "Planned", "Allocated", "Difference", "The log rounds by", "Holds"),
            rows,
            caption="Planned and allocated bytes",
            numbers=(2, 3, 4, 5),
        ),
        *(device(account, f"tiny-{account.name}") for account in running.plan.ledger.accounts),
    )


def _compared(row: Difference) -> tuple[str, ...]:
    promise = "yes" if row.holds else "no"
    return (
        row.device,
        LABELS[row.what],
        grouped(row.planned),
        grouped(row.allocated),
        f"{row.bytes:+,}",
        grouped(row.rounding),
        tag("span", promise if row.equal else f"{promise} (no more than)", class_=promise),
    )


def _edit(edit: Edit) -> tuple[Markup, ...]:
    outcome = (
        tag("p", f"The answer was refused: {edit.refused}", class_="no")
        if edit.refused is not None
        else tag(
            "p", "Exactly the edit that was asked for." if edit.as_expected else "Not the edit that was asked for."
        )
    )
    return (
        tag("h2", "3. Real work: an edit of code it was not trained on"),
        tag("p", tag("strong", edit.instruction), tag("span", f" · {edit.file}", class_="soft")),
        tag("p", f"What it was shown ({grouped(edit.prompt_tokens)} tokens with the template):", class_="small soft"),
        tag("pre", edit.shown),
        tag("p", "What it answered:", class_="small soft"),
        tag("pre", edit.answer),
        *_changed(edit),
        outcome,
    )


def _changed(edit: Edit) -> tuple[Markup, ...]:
    if not edit.diff:
        return ()
    return (
        tag("p", "What that changed:", class_="small soft"),
        tag("pre", join((_diff_line(line) for line in edit.diff), "\n")),
    )


def _diff_line(line: str) -> Markup:
    kind = _SIGNS.get(line[:1])
    return tag("span", line, class_=kind) if kind else escape(line)


def _refusal(refusal: Refusal, running: Running) -> tuple[Markup, ...]:
    rows = [(name, grouped(value)) for name, value in refusal.numbers.items()]
    return (
        tag("h2", "4. Over the gate: refused before a token of it was computed"),
        tag("p", refusal.message),
        table(
            ("Number", "Tokens"),
            rows,
            caption=f"What {running.plan.roles[0].model.name} was protected from",
            numbers=(1,),
        ),
    )


def _pipeline(carried: tuple[Carried, ...]) -> tuple[Markup, ...]:
    """Two plans and what became of them."""
    return (
        tag("h2", "5. The pipeline: a plan, edits, tests, and the tree as planned or as before"),
        tag(
            "p",
            "The plans were written by hand; the edits are the small model's, made while this page was made. Each step "
            "is a request of its own that knows nothing of the others.",
        ),
        *(_run(run) for run in carried),
    )


def _run(run: Carried) -> Markup:
    rows = [
        (request.phase, grouped(request.prompt_tokens), grouped(request.gate), grouped(request.completion_tokens))
        for request in run.requests
    ]
    done = run.status == "done"
    parts = [
        tag("h3", run.title),
        tag("pre", run.plan),
        table(("Phase", "Prompt tokens", "Gate", "Written"), rows, caption="Requests to the Editor", numbers=(1, 2, 3)),
        tag("p", "What that changed:" if done else "What was tried, and taken back:", class_="small soft"),
        tag("pre", join((_diff_line(line) for line in run.diff), "\n")),
    ]
    if done:
        commit = "" if run.commit is None else f" Commit {run.commit[:7]}."
        parts.append(tag("p", f"The checks passed: {', '.join(run.checks)}.{commit}"))
    else:
        tree = "Every file is as it was before." if run.as_before else "The tree is not as it was before."
        parts += [tag("pre", run.objection), tag("p", tag("strong", tree))]
    return tag("section", *parts)
