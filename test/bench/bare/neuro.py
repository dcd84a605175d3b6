"""The server of the Python library `neuro_api`, with a brain that takes its answers from a table."""

import random
import sys

import trio
from neuro_api.server import AbstractTrioNeuroServer

DATA = {"play_card": '{"card": "Strike", "target": 1}', "say": '{"text": "It is my turn."}'}


class Server(AbstractTrioNeuroServer):
    def add_context(self, game_title, message, reply_if_not_busy):
        pass

    async def choose_force_action(
        self, game_title, state, query, ephemeral_context, actions, *more
    ):
        await trio.lowlevel.checkpoint()
        name = random.choice(actions).name
        return name, DATA.get(name)

    def log_info(self, message):
        pass


trio.run(Server().run, "127.0.0.1", int(sys.argv[1]))
