"""One file a kind of component: how it is written into the stacks."""
