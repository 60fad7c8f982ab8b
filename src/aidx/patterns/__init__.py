"""How a request is answered: direct, route, cascade, repair, rules. Pure generators over the ``Chat`` port."""
