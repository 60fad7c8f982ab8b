"""Shared by all tests: Hypothesis profiles, and a home without anybody's settings, models or tokens."""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

from hypothesis import settings

from tests.fakes import places  # noqa: F401 - reads the environment before it is emptied
from tests.fakes.offline import sitecustomize  # from here on nothing leaves this machine

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# In the background, or under nohup, these are ignored, and children inherit that.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (getattr(signal, "SIGHUP", None), signal.SIG_DFL)):
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# Whoever runs the tests may have settings, models and a token: nothing here may depend on them, or use them, in
# child processes neither.
FOREIGN = ("AIDX_", "HF_", "HUGGING", "LLAMA_", "OLLAMA_", "TRANSFORMERS_")
KEYS = ("_API_KEY", "_TOKEN")
HOME = tempfile.mkdtemp(prefix="aidx-home-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
for name in [name for name in os.environ if name.startswith(FOREIGN) or name.endswith(KEYS)]:
    del os.environ[name]
os.environ.update(
    HOME=HOME,
    XDG_CACHE_HOME=f"{HOME}/.cache",
    XDG_CONFIG_HOME=f"{HOME}/.config",
    XDG_STATE_HOME=f"{HOME}/.state",
    HF_ENDPOINT="http://127.0.0.1:9",  # nobody listens at the discard port
)
# A cloud call is impossible: here by an audit hook, which cannot be taken off again, and so in every Python that is
# started from here. Whoever starts one without this path has no key either.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(sitecustomize.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
)
