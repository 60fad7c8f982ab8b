"""How a request is answered: direct, route, cascade, repair, rules. Pure generators; the structured-output issue fills it."""
