"""A systemd unit that runs ``aidx serve``, with the plan's host memory as a limit that the kernel keeps."""

from aidx.export.given import Exported, File, Given

ENDPOINT = 256 << 20  # bytes for the endpoint itself, which DESIGN bounds by 100 MB, and its own start
_QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$"})


def export(given: Given) -> Exported:
    """``aidx.service``, for a user's own systemd or the system's."""
    host = sum(account.planned for account in given.plan.ledger.accounts if account.kind == "host")
    command = " ".join(_word(word) for word in given.serve)
    lines = [
        f"# aidx plan {given.plan.plan_hash}",
        "[Unit]",
        "Description=aidx: models inside a planned budget",
        "After=network.target",
        "",
        "[Service]",
        f"ExecStart={command}",
        "Restart=on-failure",
        "KillMode=mixed",
        "TimeoutStopSec=15",
        "# what is planned on the host, and 256 MiB for the endpoint; pages of mapped weights can be read again",
        f"MemoryMax={host + ENDPOINT}",
        "MemorySwapMax=0",
        "NoNewPrivileges=yes",
        *(
            []
            if given.key_env is None
            else [f"# the file has a line {given.key_env}=…", "EnvironmentFile=%h/.config/aidx/key"]
        ),
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    notes = (
        "put it into ~/.config/systemd/user/",
        "start it: systemctl --user daemon-reload && systemctl --user enable --now aidx",
    )
    return Exported((File("aidx.service", "\n".join(lines) + "\n"),), notes)


def _word(word: str) -> str:
    quoted = word.translate(_QUOTED)
    return f'"{quoted}"' if not quoted or any(char in quoted for char in " \t'\"\\;#") else quoted
