"""A conversation with a running engine, as the gate has it: a chat of its own, closed at the end."""

import asyncio


def talk(deployment, conversation):
    """What *conversation* returns, called with a chat of *deployment*'s."""

    async def run():
        chat = deployment.chat()
        try:
            return await asyncio.wait_for(conversation(chat), 120)
        finally:
            chat.close()

    return asyncio.run(run())
