"""Writes src/aidx/data/gpus.json, the table behind ``--gpu``: `python scripts/make_gpus.py`.

One line a card below: name, memory, bandwidth. Memory is what the driver reports where somebody published it
(``MEASURED``); elsewhere it is the nominal size, and the row says so. Bandwidth is bus width times data rate as
the maker states it and llmfit's table agrees (github.com/AlexsJones/llmfit). The driver's own memory is known for
a few cards (``DRIVER``); elsewhere aidx assumes 512 MiB.
"""

import json
from pathlib import Path

OUT = Path(__file__).parents[1] / "src" / "aidx" / "data" / "gpus.json"
SPEC = "maker's specification (bus width x data rate), as in llmfit's table"
MAKER = "maker's specification; llmfit's table has another figure"

# chip, GiB as sold, GB/s
NVIDIA = """
RTX 5090, 32, 1792
RTX 5080, 16, 960
RTX 5070 Ti, 16, 896
RTX 5070, 12, 672
RTX 5060 Ti, 16, 448
RTX 5060 Ti, 8, 448
RTX 5060, 8, 448, maker
RTX 4090, 24, 1008
RTX 4080 SUPER, 16, 736
RTX 4080, 16, 717
RTX 4070 Ti SUPER, 16, 672
RTX 4070 Ti, 12, 504
RTX 4070 SUPER, 12, 504
RTX 4070, 12, 504
RTX 4060 Ti, 16, 288
RTX 4060 Ti, 8, 288
RTX 4060, 8, 272
RTX 3090 Ti, 24, 1008
RTX 3090, 24, 936
RTX 3080 Ti, 12, 912
RTX 3080, 12, 912
RTX 3080, 10, 760
RTX 3070, 8, 448
RTX 3060, 12, 360
RTX 3060, 8, 240
RTX 2080 Ti, 11, 616
RTX 2060, 6, 336
RTX A4000, 16, 448
RTX A6000, 48, 768
T4, 16, 320
P40, 24, 347
L4, 24, 300
L40S, 48, 864
A100, 40, 1555
A100, 80, 2039
H100 SXM, 80, 3350
H200, 141, 4800
"""
AMD = """
RX 9070 XT, 16, 640, maker
RX 9070, 16, 640, maker
RX 9060 XT, 16, 320
RX 7900 XTX, 24, 960
RX 7900 XT, 20, 800
RX 7800 XT, 16, 624
RX 7600, 8, 288
RX 6800 XT, 16, 512
RX 6800, 16, 512
RX 6700 XT, 12, 384
"""
INTEL = """
Arc B580, 12, 456
Arc A770, 16, 560
"""
LOGS = "nvidia-smi in several public logs of this card"
# Chips that share the RAM with their GPU, GB/s; where a chip came with several, the lowest.
APPLE = """
Apple M1, 68
Apple M1 Pro, 200
Apple M1 Max, 400
Apple M1 Ultra, 800
Apple M2, 100
Apple M3, 100
Apple M3 Pro, 150
Apple M3 Max, 300
Apple M3 Ultra, 819
Apple M4, 120
Apple M4 Pro, 273
Apple M4 Max, 410
Apple M5, 153
Apple M5 Pro, 307
Apple M5 Max, 614
"""
# What nvidia-smi, NVML or the amdgpu driver reported, MiB, and where that stands.
MEASURED = {
    "rtx-5090-32gb": (32607, "NVML, Crow #105"),
    "rtx-5080-16gb": (16303, LOGS),
    "rtx-5070-ti-16gb": (16303, LOGS),
    "rtx-4080-16gb": (16376, LOGS),
    "rtx-4070-ti-super-16gb": (16376, LOGS),
    "rtx-4060-ti-16gb": (16380, LOGS),
    "rtx-4060-ti-8gb": (8188, LOGS),
    "rtx-4060-8gb": (8188, LOGS),
    "rtx-a4000-16gb": (16376, LOGS),
    "rtx-a6000-48gb": (49140, LOGS),
    "h200-141gb": (143771, LOGS),
    "rtx-5070-12gb": (12227, "nvidia-smi, shkhln/libc6-shim #14"),
    "rtx-4090-24gb": (24564, "nvidia-smi, RLinf #255"),
    "rtx-4070-12gb": (12282, "nvidia-smi, meta-llama/llama #466"),
    "rtx-3090-24gb": (24576, "nvidia-smi, InvokeAI #9413"),
    "rtx-3080-12gb": (12288, LOGS),
    "rtx-3060-12gb": (12288, "nvidia-smi, geerlingguy/raspberry-pi-pcie-devices #790"),
    "t4-16gb": (15360, "nvidia-smi, modal-labs/modal-client #2797"),
    "l4-24gb": (23034, "nvidia-smi, modal-labs/modal-client #2797"),
    "l40s-48gb": (46068, "nvidia-smi, modal-labs/modal-client #2797"),
    "a100-40gb": (40960, "nvidia-smi, modal-labs/modal-client #2797"),
    "a100-80gb": (81920, "nvidia-smi, modal-labs/modal-client #2797"),
    "h100-sxm-80gb": (81559, "nvidia-smi, modal-labs/modal-client #2797"),
    "rx-7900-xt-20gb": (20464, "amdgpu driver, lemonade-sdk/llamacpp-rocm #31"),
}
# The driver's context of one process, MiB, measured by others.
DRIVER = {
    "rtx-4060-ti-16gb": (107, "measured by others, llama.cpp #23604"),
    "rtx-4060-ti-8gb": (107, "measured by others, llama.cpp #23604"),
    "rtx-3090-24gb": (256, "measured by others, InvokeAI #9413"),
    "rtx-4090-24gb": (330, "measured by others on a card of 24 GB, unsloth #6718"),
}


def rows() -> list[dict[str, object]]:
    """The cards, in the order of the lists above."""
    tables = (("NVIDIA", NVIDIA), ("AMD", AMD), ("Intel", INTEL))
    return [
        _row(vendor, *(part.strip() for part in line.split(",")))
        for vendor, table in tables
        for line in table.strip().splitlines()
    ]


def _row(vendor: str, chip: str, gib: str, speed: str, source: str = "") -> dict[str, object]:
    name = f"{chip.lower().replace(' ', '-')}-{gib}gb"
    mib, where = MEASURED.get(name, (int(gib) * 1024, None))
    driver, found = DRIVER.get(name, (None, None))
    return {
        "name": name,
        "vendor": vendor,
        "chip": chip,
        "mib": mib,
        "mib_source": where or "nominal size; what the driver reports may be up to 7 % less",
        "mib_measured": where is not None,
        "bandwidth_gbs": int(speed),
        "bandwidth_source": MAKER if source else SPEC,
        "driver_mib": driver,
        "driver_source": found,
    }


def chips() -> list[dict[str, object]]:
    """Apple's chips."""
    pairs = (line.rsplit(",", 1) for line in APPLE.strip().splitlines())
    return [{"name": name, "bandwidth_gbs": int(speed), "bandwidth_source": SPEC} for name, speed in pairs]


def main() -> None:
    """Write the tables, one row a line."""
    tables = (",\n".join(json.dumps(row) for row in table) for table in (rows(), chips()))
    cards, others = tables
    OUT.write_text(f'{{"cards": [\n{cards}\n],\n"chips": [\n{others}\n]}}\n', "utf-8")


if __name__ == "__main__":
    main()
