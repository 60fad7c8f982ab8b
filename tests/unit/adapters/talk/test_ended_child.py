"""An engine that we started and that has ended is ours to start again, and nobody else's."""

import asyncio
import socket
from concurrent.futures import Future

import pytest

from aidx.adapters.http import Pool
from aidx.adapters.talk.served import ServedChat
from aidx.errors import EngineError

BODY = b'{"messages":[{"role":"user","content":"x"}],"max_tokens":1}'


class Ended:
    """A child that was killed."""

    end = "the engine was ended by signal 9"

    def ending(self):
        found = Future()
        found.set_result(self.end)
        return found


@pytest.mark.parametrize(
    ("child", "says", "hint"),
    [(Ended(), Ended.end, ""), (None, "nothing answers", "Start what is to run there, or correct the address.")],
)
def test_who_is_told_to_start_something_can(child, says, hint):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # where nothing listens

        async def run():
            chat = ServedChat(Pool(*taken.getsockname()), child)
            with pytest.raises(EngineError, match=says) as wrong:
                await anext(chat.answer(BODY, slot=0))
            chat.close()
            return wrong.value.hint

        assert asyncio.run(run()) == hint
