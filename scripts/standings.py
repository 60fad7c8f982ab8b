"""What each model of the catalogue is for: tables for make_catalogue.py, each row with its source.

A tier goes by parameters (the role map) unless the article names the model; the adherence class is what the maker
says of it on its card. ``CODE`` are general models with a reason to edit code: they were trained for it.
"""

from aidx.model.catalogue import tier_of

MICRO, EDITOR, ARCHITECT, THINKING = "micro", "editor", "architect", "thinking"
AGENTIC, GENERAL, THINKS = "agentic", "general", "thinking"
ARTICLE = "V. Rudakov, Model Sizing, Quantization, and VRAM Budgeting"
NAMED = {"ministral-3-3b": MICRO, "phi-3-mini-4k": MICRO, "qwen2.5-coder-14b": EDITOR}

CLASS = (  # the first prefix that fits; what the card says, in a few words
    ("qwen3-coder-next", AGENTIC, "made for coding agents and local development"),
    ("qwen3-coder", AGENTIC, "agentic coding, agentic browser use"),
    ("qwen3-4b-2507", AGENTIC, "non-thinking; tool calling"),
    ("qwen3.6", AGENTIC, "agentic coding; thinks unless told not to"),
    ("qwen3.5", AGENTIC, "trained in agent environments; thinking can be switched off"),
    ("qwen3", AGENTIC, "agent capabilities with and without thinking; thinks unless told not to"),
    ("qwen2.5-coder", GENERAL, "instruct model for code; a foundation for code agents, no agent itself"),
    ("qwen2.5", GENERAL, "instruct model"),
    ("deepseek-r1", THINKS, "reasoning distilled from DeepSeek-R1: thinks before every answer"),
    ("llama-3", GENERAL, "instruct model for dialogue"),
    ("ministral-3", AGENTIC, "native function calling and JSON output"),
    ("devstral", AGENTIC, "agentic model for software engineering"),
    ("codestral", GENERAL, "model for code, no tool use"),
    ("mistral-nemo", GENERAL, "instruct model"),
    ("phi-4-mini", GENERAL, "instruct model, with function calling"),
    ("phi-", GENERAL, "instruct model"),
    ("gemma-4", AGENTIC, "native function calling for agentic workflows; thinking can be switched on"),
    ("gemma-", GENERAL, "instruct model"),
    ("gpt-oss", AGENTIC, "reasoning, agentic tasks and developer use; reasoning effort can be set"),
    ("deepseek-coder-v2", GENERAL, "instruct model for code"),
    ("deepseek-v3.1", AGENTIC, "post-trained for tool use and agent tasks; thinking is a mode"),
    ("glm-4", AGENTIC, "foundation model for agents; thinking is a mode"),
    ("smollm3", GENERAL, "instruct model; thinking is a mode"),
    ("falcon3", GENERAL, "instruct model"),
)
CODE = {
    "qwen2.5-coder-14b": "trained for code, and the article's own Editor",
    "qwen2.5-coder": "trained for code: generation, reasoning and fixing",
    "codestral": "trained for code in 80 languages",
    "deepseek-coder-v2": "trained for code: completion, fixing and reasoning",
}

# Not in the facts, because they are the same network with other weights: (id, like, repository, names, context, note).
LIKE = (
    ("qwen2.5-7b", "qwen2.5-coder-7b", "Qwen/Qwen2.5-7B-Instruct", ["qwen2.5:7b", "qwen2.5"], None),
    ("qwen2.5-14b", "qwen2.5-coder-14b", "Qwen/Qwen2.5-14B-Instruct", ["qwen2.5:14b"], None),
    ("qwen2.5-32b", "qwen2.5-coder-32b", "Qwen/Qwen2.5-32B-Instruct", ["qwen2.5:32b"], None),
    ("deepseek-r1-7b", "qwen2.5-coder-7b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", ["deepseek-r1:7b"], 131072),
    ("deepseek-r1-8b", "qwen3-8b", "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", ["deepseek-r1:8b"], 131072),
    ("deepseek-r1-14b", "qwen2.5-coder-14b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", ["deepseek-r1:14b"], 131072),
    ("deepseek-r1-32b", "qwen2.5-coder-32b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", ["deepseek-r1:32b"], 131072),
    ("deepseek-r1-70b", "llama-3.3-70b", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B", ["deepseek-r1:70b"], 131072),
    ("gemma-3-1b-qat", "gemma-3-1b", "google/gemma-3-1b-it-qat-q4_0-gguf", ["gemma3:1b-it-qat"], None),
    ("gemma-3-4b-qat", "gemma-3-4b", "google/gemma-3-4b-it-qat-q4_0-gguf", ["gemma3:4b-it-qat"], None),
    ("gemma-3-12b-qat", "gemma-3-12b", "google/gemma-3-12b-it-qat-q4_0-gguf", ["gemma3:12b-it-qat"], None),
    ("gemma-3-27b-qat", "gemma-3-27b", "google/gemma-3-27b-it-qat-q4_0-gguf", ["gemma3:27b-it-qat"], None),
)
LIKE_NOTES = {
    "deepseek-r1": "the network of {like} with other weights, as its card says",
    "gemma-3": "trained for Q4_0; the maker's own file keeps its embeddings in F16 and is larger than llama-quantize's",
    "qwen2.5": "the network of {like}, which was trained on from it",
}
# Trained in this type: nothing else is worth having, and it costs next to nothing.
TRAINED = {
    "gpt-oss-20b": "MXFP4_MOE",
    "gpt-oss-120b": "MXFP4_MOE",
    **{row[0]: "Q4_0" for row in LIKE if row[0].endswith("-qat")},
}

# Models of the cloud take no local memory: (id, provider, names, tier, class, context or None, source).
_ANTHROPIC = "Anthropic, models overview: coding and agents"
_OPENAI = "OpenAI, models"
_GOOGLE = "Google, Gemini API models"
_DEEPSEEK = "DeepSeek, API docs"
_NAMED = f"named in the article ({ARTICLE})"
CLOUD = (
    (
        "claude-sonnet-4",
        "anthropic",
        ["claude-sonnet-4-0", "claude-4-sonnet", "claude-4.0-sonnet", "claude 4.0 sonnet"],
        ARCHITECT,
        AGENTIC,
        200000,
        f"{_ANTHROPIC}; {_NAMED} as Architect",
    ),
    ("claude-sonnet-4-5", "anthropic", ["claude-sonnet-4.5"], ARCHITECT, AGENTIC, 200000, _ANTHROPIC),
    ("claude-sonnet-4-6", "anthropic", ["claude-sonnet-4.6"], ARCHITECT, AGENTIC, 200000, _ANTHROPIC),
    ("claude-opus-4", "anthropic", ["claude-opus-4-0"], ARCHITECT, AGENTIC, 200000, _ANTHROPIC),
    ("claude-opus-4-1", "anthropic", ["claude-opus-4.1"], ARCHITECT, AGENTIC, 200000, _ANTHROPIC),
    ("claude-opus-4-5", "anthropic", ["claude-opus-4.5"], ARCHITECT, AGENTIC, 200000, _ANTHROPIC),
    ("claude-haiku-4-5", "anthropic", ["claude-haiku-4.5"], ARCHITECT, AGENTIC, 200000, _ANTHROPIC),
    ("gpt-5", "openai", [], ARCHITECT, AGENTIC, 400000, f"{_OPENAI}: coding and agentic tasks"),
    ("gpt-5-mini", "openai", [], ARCHITECT, AGENTIC, 400000, f"{_OPENAI}: well-defined tasks"),
    ("gpt-5.1", "openai", [], ARCHITECT, AGENTIC, 400000, f"{_OPENAI}: coding and agentic tasks"),
    ("gpt-5.2", "openai", [], ARCHITECT, AGENTIC, 400000, f"{_OPENAI}: coding and agentic tasks"),
    ("gpt-5.3-codex", "openai", [], ARCHITECT, AGENTIC, 400000, f"{_OPENAI}: agentic coding"),
    ("gpt-5.4", "openai", [], ARCHITECT, AGENTIC, 1050000, f"{_OPENAI}: coding and agentic tasks"),
    ("gpt-4.1", "openai", [], ARCHITECT, GENERAL, 1000000, f"{_OPENAI}: non-reasoning"),
    ("gpt-4o", "openai", [], ARCHITECT, GENERAL, 128000, f"{_OPENAI}: general"),
    ("o3", "openai", [], THINKING, THINKS, None, f"{_OPENAI}: reasoning"),
    ("o4-mini", "openai", [], THINKING, THINKS, 200000, f"{_OPENAI}: reasoning"),
    (
        "o2",
        "openai",
        ["openai-o2", "openai o2"],
        THINKING,
        THINKS,
        None,
        f"{_NAMED}; the article's own name, no provider offers it",
    ),
    (
        "gemini-3-flash",
        "gemini",
        ["gemini-3-flash-preview", "gemini 3 flash"],
        ARCHITECT,
        AGENTIC,
        1048576,
        f"{_GOOGLE}; {_NAMED} as Architect",
    ),
    ("gemini-2.5-pro", "gemini", [], ARCHITECT, AGENTIC, 1048576, f"{_GOOGLE}: coding and complex reasoning"),
    ("gemini-2.5-flash", "gemini", [], ARCHITECT, AGENTIC, 1048576, f"{_GOOGLE}: agentic use at low latency"),
    ("gemini-3-pro", "gemini", ["gemini-3-pro-preview"], ARCHITECT, AGENTIC, 1048576, f"{_GOOGLE}: agentic"),
    ("gemini-3.1-pro", "gemini", ["gemini-3.1-pro-preview"], ARCHITECT, AGENTIC, 1048576, f"{_GOOGLE}: agentic"),
    (
        "gemini-3-deepthink",
        "gemini",
        ["gemini-3-deep-think", "gemini 3 (deepthink)", "gemini 3 deepthink", "deepthink"],
        THINKING,
        THINKS,
        None,
        f"{_GOOGLE}; {_NAMED} as Thinking",
    ),
    (
        "deepseek-v3",
        "deepseek",
        ["deepseek-chat", "deepseek-v3-0324"],
        ARCHITECT,
        AGENTIC,
        128000,
        f"{_DEEPSEEK}; {_NAMED} as Architect",
    ),
    (
        "deepseek-r1",
        "deepseek",
        ["deepseek-reasoner", "deepseek-r1-0528"],
        THINKING,
        THINKS,
        128000,
        f"{_DEEPSEEK}; {_NAMED} as Thinking",
    ),
)


def tier(name, parameters):
    """The tier and where it stands."""
    if name in NAMED:
        return NAMED[name], f"named in the article ({ARTICLE})"
    return tier_of(parameters), f"{parameters / 1e9:.1f}B parameters, by the role map"


def standing(name, parameters):
    """Tier, class, their sources, and why a general model may edit code."""
    found, source = tier(name, parameters)
    adherence, card = next((kind, words) for prefix, kind, words in CLASS if name.startswith(prefix))
    return {
        "tier": found,
        "tier_source": source,
        "adherence": adherence,
        "adherence_source": f"model card: {card}",
        "reason": next((words for prefix, words in CODE.items() if name.startswith(prefix)), ""),
    }


def clouds():
    """Rows of the catalogue for models of the cloud."""
    return [
        {
            "id": name,
            "provider": provider,
            "aliases": names,
            "context_length": context,
            "offered": "no provider offers it" not in source,
            "standing": {
                "tier": where,
                "tier_source": source,
                "adherence": adherence,
                "adherence_source": source.split("; ")[-1 if source.startswith("named") else 0],
                "reason": "",
            },
        }
        for name, provider, names, where, adherence, context, source in CLOUD
    ]
