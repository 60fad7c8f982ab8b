"""The trained classifier of Hybrid Routing: features of a prompt, a logistic model over them, and how it is judged."""
