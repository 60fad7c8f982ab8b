"""Plan, prove and run local LLM deployments whose memory budget holds.

Importing aidx does nothing: no folder, no client, no environment is read.
"""

__version__ = "0.1.0"
