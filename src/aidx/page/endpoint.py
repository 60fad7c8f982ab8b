"""The page of a running endpoint: its budget, what is reserved now, its roles, and how to point a client at it.

Whole without a script; the script only fetches the same page again and takes its figures over.
"""

from collections.abc import Sequence

from msgspec import Struct

from aidx import __version__
from aidx.budget.ledger import Account
from aidx.budget.sizes import gib
from aidx.page.figures import grouped, percent
from aidx.page.markup import Markup, join, tag
from aidx.page.parts import document, figure, table, terms

REFRESH = """
const live = document.getElementById("live"), form = document.getElementById("key");
let key = "", wanted = form === null;
async function look() {
  const answer = await fetch("/", {headers: key ? {authorization: "Bearer " + key} : {}, cache: "no-store"});
  const there = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = there.getElementById("live");
  if (!there.getElementById("key")) { live.replaceChildren(...fresh.childNodes); form?.remove(); return true; }
  return false;
}
async function run() {
  try { wanted = await look(); document.body.dataset.state = wanted ? "live" : "locked"; }
  catch { document.body.dataset.state = "gone"; }
  if (wanted) setTimeout(run, 2000);
}
form?.addEventListener("submit", event => { event.preventDefault(); key = form.elements.key.value; run(); });
if (wanted) setTimeout(run, 2000);
"""


class Served(Struct, frozen=True):
    """A role: its *model*, its bounds in tokens, and who is in it now; one that *leaves* takes no cells here."""

    role: str
    model: str
    state: str
    context: int
    gate: int
    output: int
    cells: int
    reserved: int
    running: int
    slots: int
    queued: int
    leaves: bool = False


class View(Struct, frozen=True):
    """What the page shows: *also* are names that several roles answer for together, *url* is the endpoint's own."""

    url: str
    devices: Sequence[Account]
    served: Sequence[Served]
    plan_hash: str
    also: Sequence[str] = ()
    keyed: bool = False


def render(view: View) -> str:
    """The page."""
    return _document(view.url, keyed=view.keyed, live=_live(view))


def locked(url: str) -> str:
    """The page for who has not given the key: it says how to, and nothing else of what is served."""
    box = tag("input", type="password", name="key", autocomplete="off", required="required", aria_label="API key")
    form = tag("form", tag("p", "An API key is wanted. ", box, " ", tag("button", "Show")), id="key", class_="note")
    return _document(url, keyed=True, live=form)


def _document(url: str, *, keyed: bool, live: Markup) -> str:
    return document(
        "aidx serve",
        tag("h1", "aidx serves here"),
        tag("div", live, id="live"),
        _clients(url, keyed=keyed),
        tag("footer", tag("p", f"GiB is 2^30 bytes. aidx {__version__}.")),
        script=REFRESH,
    )


def _live(view: View) -> Markup:
    cells = [one for one in view.served if not one.leaves]
    reserved, room = sum(one.reserved for one in cells), sum(one.cells for one in cells)
    waiting = sum(one.queued for one in view.served)
    verdict = tag(
        "p",
        tag("strong", f"{grouped(reserved)} of {grouped(room)} KV cells reserved"),
        f" ({percent(reserved, room)}) by {sum(one.running for one in view.served)} requests; {waiting} wait",
        class_="verdict",
        data_reserved=str(reserved),
    )
    return join((verdict, *map(_device, view.devices), _roles(view.served), _also(view.also), _plan(view.plan_hash)))


def _device(account: Account) -> Markup:
    left = f"{gib(account.planned)} of {gib(account.usable)} planned, {gib(account.headroom)} left"
    return tag(
        "section", tag("h2", account.name, tag("span", f" · {left}", class_="soft")), figure(account, account.name)
    )


def _roles(served: Sequence[Served]) -> Markup:
    head = ("Role", "Model", "State", "Context", "Most prompt", "Most output", "Reserved", "Running", "Waiting")
    rows = [
        (
            *(one.role, one.model, one.state),
            *(grouped(one.context), grouped(one.gate), grouped(one.output)),
            "elsewhere" if one.leaves else f"{grouped(one.reserved)} of {grouped(one.cells)}",
            *(f"{one.running} of {one.slots}", str(one.queued)),
        )
        for one in served
    ]
    return table(head, rows, caption="Roles, in tokens", numbers=range(3, 9))


def _also(names: Sequence[str]) -> Markup:
    return tag("p", f"Models to ask for besides: {', '.join(names)}.") if names else Markup("")


def _plan(plan_hash: str) -> Markup:
    return tag("p", f"Plan {plan_hash}", class_="soft small")


def _clients(url: str, *, keyed: bool) -> Markup:
    key = "YOUR-KEY" if keyed else "none"
    shell = f"export OPENAI_BASE_URL={url}/v1\nexport OPENAI_API_KEY={key}"
    sent = f' \\\n  -H "authorization: Bearer {key}"' if keyed else ""
    body = '{"model": "editor", "messages": [{"role": "user", "content": "Hello"}]}'
    curl = f"curl {url}/v1/chat/completions{sent} \\\n  -H \"content-type: application/json\" \\\n  -d '{body}'"
    aider = f"aider --model openai/editor --openai-api-base {url}/v1 --openai-api-key {key}"
    configured = "aidx export aider, opencode or continue writes the settings of these clients, with the role's bounds."
    return tag(
        "section",
        tag("h2", "Point a client at it"),
        *(tag("pre", text) for text in (shell, curl, aider)),
        tag("p", configured),
        terms((f"{url}{path}", about) for path, about in PATHS),
    )


PATHS = (
    ("/v1/models", "models and their bounds"),
    ("/plan", "the ledger, with what is reserved now"),
    ("/metrics", "figures for Prometheus"),
    ("/ready", "whether the engines answer"),
)
